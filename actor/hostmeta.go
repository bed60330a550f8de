package actor

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	hostMetaPath = "/.well-known/host-meta"
	xrdType      = "application/xrd+xml"
	xrdNamespace = "http://docs.oasis-open.org/ns/xri/xrd-1.0"
)

// ServeHostMeta tells where WebFinger is, for servers that look here first or when WebFinger knew
// nobody: as XML, or as JSON under the path that ends in .json and for who prefers that. RFC 6415 §2, §3.
func (h *Handler) ServeHostMeta(w http.ResponseWriter, r *http.Request) {
	open(w)
	if !readOnly(w, r) {
		return
	}
	w.Header().Set("Vary", "Accept")
	template := h.Names.originOf(r) + webFingerPath + "?resource={uri}"
	q := weigh(r)
	if strings.HasSuffix(r.URL.Path, ".json") || max(q.json, q.jrd) > q.xrd {
		body, err := encode(JRD{Links: []JRDLink{{Rel: "lrdd", Type: jrdType, Template: template}}})
		if err != nil {
			h.fail(w, r, err)
			return
		}
		serve(w, r, jrdType, freshSite, newEncoded(body, time.Time{}))
		return
	}
	type link struct {
		Rel      string `xml:"rel,attr"`
		Type     string `xml:"type,attr"`
		Template string `xml:"template,attr"`
	}
	body, err := xml.Marshal(struct {
		XMLName xml.Name `xml:"http://docs.oasis-open.org/ns/xri/xrd-1.0 XRD"`
		Link    link
	}{Link: link{"lrdd", jrdType, template}})
	if err != nil {
		h.fail(w, r, err)
		return
	}
	serve(w, r, xrdType, freshSite, newEncoded(append([]byte(xml.Header), body...), time.Time{}))
}

// parseHostMeta returns the template of the first link "lrdd" in a host-meta document, with {uri} in
// it. The error wraps [ErrMalformed]. RFC 6415 §3.
func parseHostMeta(data []byte) (template string, err error) {
	d := xml.NewDecoder(bytes.NewReader(data))
	for {
		token, err := d.Token()
		if err == io.EOF {
			return "", fmt.Errorf("%w: host-meta without a link lrdd", ErrMalformed)
		}
		if err != nil {
			return "", fmt.Errorf("%w: host-meta: %w", ErrMalformed, err)
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "Link" || start.Name.Space != xrdNamespace && start.Name.Space != "" {
			continue
		}
		var rel string
		template = ""
		for _, a := range start.Attr {
			switch a.Name.Local {
			case "rel":
				rel = a.Value
			case "template":
				template = a.Value
			}
		}
		if rel == "lrdd" && strings.Contains(template, "{uri}") {
			return template, nil
		}
	}
}
