package main

import (
	"context"
	"encoding/xml"
	"net/http"
	"time"
)

// rss is RSS 2.0.
type rss struct {
	XMLName xml.Name `xml:"rss"`
	Version string   `xml:"version,attr"`
	Title   string   `xml:"channel>title"`
	Link    string   `xml:"channel>link"`
	About   string   `xml:"channel>description"`
	Items   []item   `xml:"channel>item"`
}

type item struct {
	Title     string `xml:"title"`
	Link      string `xml:"link"`
	GUID      string `xml:"guid"`
	Published string `xml:"pubDate"`
	HTML      string `xml:"description"`
}

// feed adds the feed of the latest posts.
func feed(_ context.Context, s *site) (part, error) {
	s.mux.HandleFunc("GET /feed.xml", func(w http.ResponseWriter, r *http.Request) {
		list, err := s.newest(r.Context(), 20)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		f := rss{Version: "2.0", Title: "A small blog", Link: s.origin + "/", About: "All posts"}
		for _, p := range list {
			f.Items = append(f.Items, item{p.Title, s.origin + p.Path(), s.origin + p.Path(), p.Published.Format(time.RFC1123Z), string(p.HTML)})
		}
		w.Header().Set("Content-Type", "application/rss+xml; charset=utf-8")
		_, _ = w.Write([]byte(xml.Header)) // who has gone away misses nothing
		_ = xml.NewEncoder(w).Encode(f)
	})
	return part{}, nil
}
