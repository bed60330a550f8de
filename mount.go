package fedihook

import (
	"net/http"
	"net/url"
	"strings"
)

// mounted is a request as its sender made and signed it, before a proxy took Config.Mount off its path. What is at the root of
// the host by its nature has nothing to take off. RFC 8615 §3
func (s *Server) mounted(r *http.Request) *http.Request {
	if s.config.Mount == "" || strings.HasPrefix(r.URL.Path, "/.well-known/") || !strings.HasPrefix(r.URL.Path, "/") {
		return r
	}
	out := new(http.Request)
	*out = *r
	out.URL = new(url.URL)
	*out.URL = *r.URL
	out.URL.Path = s.config.Mount + r.URL.Path
	if r.URL.RawPath != "" {
		out.URL.RawPath = s.config.Mount + r.URL.RawPath
	}
	if strings.HasPrefix(r.RequestURI, "/") { // which signatures cover
		out.RequestURI = s.config.Mount + r.RequestURI
	}
	return out
}
