package inboxtest

import (
	"io"
	"net/http"

	"github.com/fedihook/fedihook/activity"
)

// Get asks for the document at a URL with a request that the actor has signed, and returns the status, the header and what came. No
// redirect is followed. The status is 0 where no answer came, of which the test's log says why.
func (a *Actor) Get(url string) (status int, header http.Header, body []byte) {
	a.s.n.helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		a.s.n.errorf("inboxtest: %v", err)
		return 0, nil, nil
	}
	r.Header.Set("Accept", activity.ContentType)
	r.Header.Set("User-Agent", a.s.agent())
	if err := a.sign(r, nil, a.manner); err != nil {
		a.s.n.errorf("inboxtest: %s cannot sign: %v", a.id, err)
		return 0, nil, nil
	}
	resp, err := a.s.client.Do(r)
	if err != nil {
		a.s.n.logf("inboxtest: %s: %v", a.s.host, err)
		return 0, nil, nil
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer)); err != nil {
		a.s.n.logf("inboxtest: %s: %v", a.s.host, err)
		return 0, nil, nil
	}
	return resp.StatusCode, resp.Header, body
}
