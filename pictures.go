package fedihook

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/x509"
	"net/http"
	"sync"

	"github.com/fedihook/fedihook/activity"
	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/media"
	"github.com/fedihook/fedihook/moderation"
)

// gallery makes the proxy when it is first needed: its key derives from the instance actor's, so that every process over one
// storage signs the same addresses.
type gallery struct {
	observer media.Observer // of the proxy

	mu    sync.Mutex
	proxy *media.Proxy
}

// pictures returns the proxy for strangers' pictures; nil without an error if the app has none.
func (s *Server) pictures(ctx context.Context) (*media.Proxy, error) {
	if s.config.PicturesDir == "" {
		return nil, nil
	}
	s.gallery.mu.Lock()
	defer s.gallery.mu.Unlock()
	if s.gallery.proxy != nil {
		return s.gallery.proxy, nil
	}
	instance, err := s.keys.Private(ctx, s.names.Instance())
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(instance.Private)
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, private, nil, "fedihook: addresses of pictures", sha256.Size)
	if err != nil {
		return nil, err
	}
	s.gallery.proxy, err = media.New(media.Config{
		Keys: [][]byte{key}, Base: s.prefix() + "/media/", Dir: s.config.PicturesDir, Reject: s.noMediaOf,
		Client: &http.Client{Transport: s.base}, InsecureAllowLoopback: s.config.InsecureAllowLoopback, Observer: s.gallery.observer, Logger: s.config.Logger,
	})
	return s.gallery.proxy, err
}

// noMediaOf tells whether a host's pictures are not to be shown.
func (s *Server) noMediaOf(ctx context.Context, host string) (bool, error) {
	v, err := s.config.Policy.Judge(ctx, moderation.Question{Purpose: moderation.Fetch, Host: host})
	return v.Refuse || v.NoMedia, err
}

// servePictures answers for the proxy.
func (s *Server) servePictures(w http.ResponseWriter, r *http.Request) {
	p, err := s.pictures(r.Context())
	if err != nil || p == nil {
		if err == nil {
			err = actor.ErrNotFound
		}
		s.fail(w, r, err)
		return
	}
	p.ServeHTTP(w, r)
}

// Picture returns the address at which this site shows a picture of another server, so that nobody there learns who looks: see
// [Config.PicturesDir]. It is "" if that is not set, and for what is no picture's URL. Nothing is fetched before somebody looks.
func (s *Server) Picture(ctx context.Context, remote string, v media.Variant) (string, error) {
	p, err := s.pictures(ctx)
	if err != nil || p == nil {
		return "", err
	}
	return p.URL(remote, v), nil
}

// avatar is where this site shows an actor's icon, "" if there is none to show.
func (s *Server) avatar(ctx context.Context, a *activity.Actor) (string, error) {
	for _, r := range a.Icon {
		remote := r.ID
		if d, err := r.Document(); err == nil {
			switch icon := d.(type) {
			case *activity.Object:
				remote = icon.URL.First()
			case *activity.Link:
				remote = icon.Href
			}
		}
		if address, err := s.Picture(ctx, remote, media.Avatar); err != nil || address != "" {
			return address, err
		}
	}
	return "", nil
}
