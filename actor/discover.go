package actor

import (
	"bytes"
	"context"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/fedihook/fedihook/activity"
)

// acceptPage is what is asked for at a URL that a person pasted, which may be a page. As Mastodon 4.6 asks.
const acceptPage = activity.LDContentType + ", " + activity.ContentType + ", text/html;q=0.1"

const (
	maxLinkHeader = 16 << 10 // bytes, of all Link fields together
	maxHTMLTokens = 4096
	maxHTMLToken  = 64 << 10 // bytes
)

// page gets what a person's URL leads to: a document that may say it has another id, or a page that names one as its
// alternate. Whether the document is what it says is for the caller to find out.
func (r *Resolver) page(ctx context.Context, address string) (found, error) {
	ans, err := r.do(ctx, ask{through: r.through, address: address, accept: acceptPage, leave: true})
	if err != nil {
		return found{}, err
	}
	if ans.status != http.StatusOK {
		return found{}, r.statusError(address, ans.status)
	}
	if isActivityType(ans.contentType) {
		return ans.found(address)
	}
	// A page is believed to say where its document is, never what is in it.
	id := alternate(ans)
	if id == "" {
		return found{}, &Error{ID: address, Status: ans.status, Err: fmt.Errorf("%w: %.100q", ErrContentType, ans.contentType)}
	}
	if r.config.Names.Ours(id) {
		return found{}, &Error{ID: id, Err: ErrOurs}
	}
	return r.documentOf(ctx, ask{through: r.through, address: withoutFragment(id)}, id)
}

// alternate is the address of the ActivityPub document that an answer names: in a Link field (RFC 8288), or in a link
// element of its HTML. It is "" if there is none that can be asked for.
func alternate(ans answer) string {
	base, err := url.Parse(ans.from)
	if err != nil {
		return ""
	}
	href, ok := alternateInHeader(ans.link)
	if !ok {
		if kind, _, err := mime.ParseMediaType(ans.contentType); err != nil || kind != "text/html" && kind != "application/xhtml+xml" {
			return ""
		}
		if href, ok = alternateInHTML(base, ans.body); !ok {
			return ""
		}
	}
	to, err := base.Parse(href)
	if err != nil || !validURL(to.String()) {
		return ""
	}
	return to.String()
}

// alternateInHeader reads Link fields. RFC 8288 §3.
func alternateInHeader(fields []string) (href string, ok bool) {
	text := strings.Join(fields, ",")
	if len(text) > maxLinkHeader {
		return "", false
	}
	for {
		text = strings.TrimLeft(text, " \t,")
		if text == "" || text[0] != '<' {
			return "", false // the end, or nothing that could be read on from
		}
		target, rest, closed := strings.Cut(text[1:], ">")
		if !closed {
			return "", false
		}
		var rel, kind string
		if rel, kind, text = linkParams(rest); isAlternate(rel) && isActivityType(kind) {
			return target, true
		}
	}
}

// linkParams reads the parameters of one link, of which the first of each name counts, and returns what stands after its end.
func linkParams(text string) (rel, kind, rest string) {
	seen := map[string]bool{}
	for {
		text = strings.TrimLeft(text, " \t")
		if text == "" || text[0] != ';' {
			// A comma; or what is no parameter, up to the next one.
			_, rest, _ = strings.Cut(text, ",")
			return rel, kind, rest
		}
		text = strings.TrimLeft(text[1:], " \t")
		end := strings.IndexAny(text, "=;, \t")
		if end < 0 {
			return rel, kind, ""
		}
		name := strings.ToLower(text[:end])
		text = strings.TrimLeft(text[end:], " \t")
		if text == "" || text[0] != '=' {
			continue
		}
		var value string
		value, text = paramValue(strings.TrimLeft(text[1:], " \t"))
		if !seen[name] {
			seen[name] = true
			switch name {
			case "rel":
				rel = value
			case "type":
				kind = value
			}
		}
	}
}

// paramValue reads a token or a quoted string. RFC 9110 §5.6.
func paramValue(text string) (value, rest string) {
	if text == "" || text[0] != '"' {
		end := strings.IndexAny(text, ";, \t")
		if end < 0 {
			end = len(text)
		}
		return text[:end], text[end:]
	}
	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return b.String(), text[i+1:]
		case c == '\\' && i+1 < len(text):
			i++
			b.WriteByte(text[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", "" // it has no end
}

func isAlternate(rel string) bool {
	for one := range strings.FieldsSeq(rel) {
		if strings.EqualFold(one, "alternate") {
			return true
		}
	}
	return false
}

// alternateInHTML reads the head of a page. HTML §4.6.7.
func alternateInHTML(base *url.URL, page []byte) (href string, ok bool) {
	z := html.NewTokenizer(bytes.NewReader(page))
	z.SetMaxBuf(maxHTMLToken)
	based := false
	for range maxHTMLTokens {
		switch z.Next() {
		case html.ErrorToken:
			return "", false
		case html.StartTagToken, html.SelfClosingTagToken:
		default:
			continue
		}
		t := z.Token()
		switch t.DataAtom {
		case atom.Body:
			return "", false // what stands there may be a user's
		case atom.Base:
			if to, err := base.Parse(attr(t, "href")); err == nil && !based && attr(t, "href") != "" {
				base, based = to, true
			}
		case atom.Link:
			target := attr(t, "href")
			if target == "" || !isAlternate(attr(t, "rel")) || !isActivityType(attr(t, "type")) {
				continue
			}
			to, err := base.Parse(target)
			if err != nil {
				return "", false
			}
			return to.String(), true
		}
	}
	return "", false
}

// attr is the first attribute of a name. HTML §13.2.5.33: others of the name don't count.
func attr(t html.Token, name string) string {
	for _, a := range t.Attr {
		if a.Key == name && a.Namespace == "" {
			return a.Val
		}
	}
	return ""
}
