package inbox

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
)

func TestABodyIsReadWhateverItsLengthIsSaidToBe(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 30<<10)
	for _, c := range []struct {
		name, body string
		said       int64
		status     int // 0: it is read
	}{
		{"as it is", "hello", 5, 0},
		{"unknown", "hello", -1, 0},
		{"nothing", "", 0, 0},
		{"less, since it was packed", long, 12, 0},
		{"more, since it broke off", "hello", 6, http.StatusBadRequest},
		{"long", long, int64(len(long)), 0},
		{"too long", long + long, -1, http.StatusRequestEntityTooLarge},
		{"too long, and less is said", long + long, 12, http.StatusRequestEntityTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			in := &Inbox{Config: Config{MaxBody: 40 << 10}}
			r := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(iotest.HalfReader(strings.NewReader(c.body))))
			r.ContentLength = c.said
			body, err := in.readBody(httptest.NewRecorder(), r)
			if refusal, ok := err.(*Refusal); c.status != 0 && (!ok || refusal.Status != c.status) || c.status == 0 && (err != nil || string(body) != c.body) {
				t.Errorf("%d bytes, %v", len(body), err)
			}
		})
	}
}
