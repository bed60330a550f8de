package activity

import "mime"

// PageURL is where people read o: of its URLs the first http or https one that says it is HTML, else the first that says
// nothing of its type. It is "" if there is none. An app link or a file, which Threads and PeerTube list beside the page (seen
// 2026), is no page. What stands there is a stranger's word. ActivityStreams Vocabulary §4 (url).
func (o *Object) PageURL() string { return pageOf(o.URL) }

// PageURL is the page of a's profile, found as [Object.PageURL] finds that of a post.
func (a *Actor) PageURL() string { return pageOf(a.URL) }

func pageOf(list Refs) (page string) {
	for _, r := range list {
		var link Link
		if len(r.Raw) == 0 {
			link.Href = r.ID
		} else if link.UnmarshalJSON(r.Raw) != nil {
			continue
		}
		if _, ok := Authority(link.Href); !ok {
			continue
		}
		kind, _, err := mime.ParseMediaType(link.MediaType)
		switch {
		case err == nil && (kind == "text/html" || kind == "application/xhtml+xml"):
			return link.Href
		case link.MediaType == "" && page == "":
			page = link.Href
		}
	}
	return page
}
