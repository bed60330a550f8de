package blog

import (
	"cmp"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

const maxPage = 4 << 20

// Visitor is somebody with a browser.
type Visitor struct {
	base string
	http *http.Client
}

// NewVisitor makes one who finds the blog at base.
func NewVisitor(t testing.TB, base string, transport http.RoundTripper) *Visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Visitor{base, &http.Client{Transport: transport, Jar: jar}}
}

// Get reads a page.
func (v *Visitor) Get(t testing.TB, path string) (status int, page string) {
	t.Helper()
	return read(t)(v.http.Get(v.base + path))
}

// Page reads one that has to be there.
func (v *Visitor) Page(t testing.TB, path string) string {
	t.Helper()
	status, page := v.Get(t, path)
	if status != http.StatusOK {
		t.Fatalf("%s is answered %d: %s", path, status, page)
	}
	return page
}

// Send fills in a form, and expects that it is taken.
func (v *Visitor) Send(t testing.TB, path string, pairs ...string) (page string) {
	t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	status, page := read(t)(v.http.PostForm(v.base+path, form))
	if status != http.StatusOK {
		t.Fatalf("the form for %s is answered %d: %s", path, status, page)
	}
	return page
}

// SignIn signs an author in.
func (v *Visitor) SignIn(t testing.TB, name, password string) {
	t.Helper()
	if page := v.Send(t, "/signin", "name", name, "password", password); !strings.Contains(page, "’s desk") {
		t.Fatalf("%s is signed in and sees %s", name, page)
	}
}

// Write saves a post.
func (v *Visitor) Write(t testing.TB, slug, author, title, front, text string) {
	t.Helper()
	v.Send(t, "/desk/posts", "slug", slug, "do", "save", "source",
		fmt.Sprintf("---\ntitle: %s\nauthor: %s\n%s---\n\n%s\n", title, author, front, text))
}

// Delete deletes one.
func (v *Visitor) Delete(t testing.TB, slug string) {
	t.Helper()
	v.Send(t, "/desk/posts", "slug", slug, "do", "delete")
}

// Approve lets a comment be shown.
func (v *Visitor) Approve(t testing.TB, id string) {
	t.Helper()
	v.Send(t, "/desk/comments", "id", id, "do", "approve")
}

var pictures = regexp.MustCompile(`<img src="([^"]+)"`)

// Avatar looks at the first picture of a page and returns its address and its first bytes.
func (v *Visitor) Avatar(t testing.TB, path string) (address string, status int, picture []byte) {
	t.Helper()
	m := pictures.FindStringSubmatch(v.Page(t, path))
	if m == nil {
		return "", 0, nil
	}
	address = html.UnescapeString(m[1])
	status, text := v.Get(t, address)
	return address, status, []byte(text)
}

func read(t testing.TB) func(*http.Response, error) (int, string) {
	return func(resp *http.Response, err error) (int, string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage+1))
		if err = cmp.Or(err, tooLong(body)); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
}

func tooLong(body []byte) error {
	if len(body) > maxPage {
		return errors.New("a page of more than 4 MiB")
	}
	return nil
}
