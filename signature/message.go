package signature

import (
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// message is a request as its signer must have seen it.
type message struct {
	target
	method string
	header http.Header
	hosts  [1]string // host, for lines to return
}

// single are the fields of which a request has at most one. Were there two, the signer, the
// verifier and the application might each read another.
var single = [...]string{
	"Signature", "Signature-Input", "Date", "Digest", "Content-Digest", "Host", "Content-Type", "Content-Length",
}

// received views an incoming request. RequestURI is taken as it came; a request that did not come
// through a server has none and is taken at its URL.
func received(r *http.Request, scheme string) (*message, error) {
	for _, name := range single {
		if n := len(r.Header[name]); n > 1 {
			return nil, fail(ErrMalformed, "%d %s fields", n, name)
		}
	}
	if hosts := r.Header["Host"]; len(hosts) == 1 && hosts[0] != r.Host {
		return nil, fail(ErrMalformed, "two hosts")
	}
	if r.Method == "" || token(r.Method) != r.Method {
		return nil, fail(ErrMalformed, "method %.80q", r.Method)
	}
	uri := r.RequestURI
	if uri == "" && r.URL != nil {
		uri = r.URL.RequestURI()
	}
	t, err := parseTarget(scheme, r.Host, uri)
	if err != nil {
		return nil, err
	}
	return &message{target: t, method: r.Method, header: r.Header}, nil
}

// field returns the combined value of a covered field (draft-cavage-12 §2.3, RFC 9421 §2.1).
func (m *message) field(name string) (string, error) {
	lines, err := m.lines(name)
	return strings.Join(lines, ", "), err
}

// lines returns the values of a covered field, one for each time that it occurs. They may be the
// header's own and are not to be changed.
func (m *message) lines(name string) ([]string, error) {
	values := m.header[textproto.CanonicalMIMEHeaderKey(name)]
	if name == "host" {
		m.hosts[0] = m.host
		values = m.hosts[:]
	}
	if len(values) == 0 {
		return nil, fail(ErrCoverage, "covers %.80q, which the request does not have", name)
	}
	size, trimmed := 0, false
	for _, v := range values {
		plain := trimSpace(v)
		// The library trims what Unicode calls space; a value that this would change is refused,
		// so that its string and ours cannot differ.
		if !every(plain, isFieldChar) || strings.TrimSpace(plain) != plain {
			return nil, fail(ErrMalformed, "%.80s holds a control character", name)
		}
		trimmed = trimmed || len(plain) != len(v)
		size += len(plain) + 2
	}
	if size > maxField {
		return nil, fail(ErrMalformed, "%.80s of %d bytes", name, size)
	}
	if trimmed {
		lines := make([]string, len(values))
		for i, v := range values {
			lines[i] = trimSpace(v)
		}
		values = lines
	}
	return values, nil
}

func isFieldChar(c byte) bool { return c >= ' ' && c != 0x7f }

// hasBodyDigest tells whether a method calls for a covered digest even where the body is empty.
func hasBodyDigest(method string) bool { return method != http.MethodGet && method != http.MethodHead }

// checkBody compares every covered digest and length with the body.
func (c *claim) checkBody(m *message, body []byte) error {
	needed := "digest"
	if c.scheme == RFC9421 {
		needed = "content-digest"
	}
	if len(body) > 0 && !c.covers(needed) {
		return fail(ErrCoverage, "%s is not covered", needed)
	}
	if c.covers("digest") {
		value, err := m.field("digest")
		if err != nil {
			return err
		}
		if err := checkDigest(value, body); err != nil {
			return err
		}
	}
	if c.covers("content-digest") {
		value, err := m.field("content-digest")
		if err != nil {
			return err
		}
		if err := checkContentDigest(value, body); err != nil {
			return err
		}
	}
	if c.covers("content-length") {
		if value, err := m.field("content-length"); err != nil || value != strconv.Itoa(len(body)) {
			return fail(ErrDigest, "Content-Length is not that of the body, %d", len(body))
		}
	}
	return nil
}
