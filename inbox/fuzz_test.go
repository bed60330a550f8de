package inbox_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/fedihook/fedihook/inbox"
)

// Whatever comes: it is answered with a status that peers know, and a hook runs only for what the sender may say.
func FuzzRequest(f *testing.F) {
	for _, body := range said() {
		f.Add([]byte(body), "application/activity+json", "", bob)
	}
	f.Add([]byte(`{"type":["Create","Delete"],"actor":{"id":"`+bob+`"},"object":[null,{"id":1}],"to":[[],{}]}`), "application/json; charset=x", "1.2.3.4, ::1", eve)
	f.Add([]byte(`{}`), "", "\x00", "")
	f.Fuzz(func(t *testing.T, body []byte, contentType, forwarded, as string) {
		b := newBench(t, func(c *inbox.Config) {
			c.Verifier = trusting{}
			c.Hooks = all(func(_ context.Context, m *inbox.Message) error {
				if m.Sender != m.Activity.Actor.ID || m.Sender != as && m.By != inbox.ByOrigin && !(as == "" && m.Sender == bob) {
					t.Errorf("%s was signed by %q and said by %q, proved by %s", m.Body, as, m.Sender, m.By)
				}
				if m.Object != nil && (m.Activity.Type.String() == "Create" || m.Activity.Type.String() == "Update") && m.Object.DocumentID() != m.ObjectID {
					t.Errorf("object %s for %s", m.Object.DocumentID(), m.ObjectID)
				}
				return nil
			})
		})
		r := httptest.NewRequest(http.MethodPost, "/ap/inbox", bytes.NewReader(body))
		r.Header["Content-Type"] = []string{contentType}
		r.Header["X-Forwarded-For"] = []string{forwarded}
		r.Header.Set("X-As", as)
		switch status := b.serveTo(r); status {
		case 202:
			b.run()
		case 400, 401, 403, 413, 415, 503:
		default:
			t.Errorf("status %d", status)
		}
	})
}
