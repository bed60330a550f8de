package activity

import (
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Expiry tells when the address of a picture or another file says that it will end, as those do that are signed for a while:
// Threads' (the parameter oe, seen 2026-06), and those of stores in the manner of Amazon S3, Google Cloud Storage and
// CloudFront. Whoever wants the file later needs a newer address, from the document that names it. ok is false where an
// address says nothing, which most don't.
func Expiry(address string) (at time.Time, ok bool) {
	if !strings.Contains(address, "?") {
		return time.Time{}, false
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" {
		return time.Time{}, false
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return time.Time{}, false
	}
	host := strings.ToLower(u.Hostname())
	switch {
	case q.Has("oe") && q.Has("oh") && (strings.HasSuffix(host, ".cdninstagram.com") || strings.HasSuffix(host, ".fbcdn.net")):
		return unix(q.Get("oe"), 16)
	case q.Has("X-Amz-Signature"):
		return lasting(q.Get("X-Amz-Date"), q.Get("X-Amz-Expires"))
	case q.Has("X-Goog-Signature"):
		return lasting(q.Get("X-Goog-Date"), q.Get("X-Goog-Expires"))
	case q.Has("Expires") && q.Has("Signature"):
		return unix(q.Get("Expires"), 10)
	}
	return time.Time{}, false
}

// unix reads seconds since 1970, to the year 9999.
func unix(text string, base int) (time.Time, bool) {
	n, err := strconv.ParseInt(text, base, 64)
	if err != nil || n <= 0 || n > 253402300799 {
		return time.Time{}, false
	}
	return time.Unix(n, 0).UTC(), true
}

// lasting reads a time and for how many seconds from then it lasts.
func lasting(from, seconds string) (time.Time, bool) {
	at, err := time.Parse("20060102T150405Z", from)
	n, wrong := strconv.ParseInt(seconds, 10, 64)
	if err != nil || wrong != nil || n <= 0 || n > 366*24*3600 {
		return time.Time{}, false
	}
	return at.Add(time.Duration(n) * time.Second), true
}

// MediaExpiry tells when the first of the files that d names will have no address any more: its attachments, icons and pictures.
// ok is false if none says so.
func MediaExpiry(d Document) (first time.Time, ok bool) {
	var lists []List
	switch d := d.(type) {
	case *Object:
		lists = []List{d.Attachment, List(d.Icon), List(d.Image)}
	case *Actor:
		lists = []List{List(d.Icon), List(d.Image)}
	case *Activity:
		for _, ref := range d.Object {
			if inner, err := ref.Document(); err == nil {
				return MediaExpiry(inner)
			}
		}
	}
	for _, list := range lists {
		for _, ref := range list {
			for _, address := range addresses(ref) {
				if at, says := Expiry(address); says && (!ok || at.Before(first)) {
					first, ok = at, true
				}
			}
		}
	}
	return first, ok
}

// addresses are where the file is that an attachment stands for.
func addresses(ref Ref) (list []string) {
	doc, err := ref.Document()
	if err != nil {
		return []string{ref.ID}
	}
	switch doc := doc.(type) {
	case *Object:
		for _, u := range doc.URL {
			list = append(list, u.ID)
			if link, err := u.Document(); err == nil {
				if link, ok := link.(*Link); ok {
					list = append(list, link.Href)
				}
			}
		}
	case *Link:
		list = append(list, doc.Href)
	}
	return list
}
