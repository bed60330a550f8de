package actor

// software is a peer whose source was read or whose behaviour was seen, with the version and month of that.
type software struct{ name, version, seen string }

// Whose rules are known. Where a rule was seen at another time, it says so itself.
var (
	mastodon   = software{"Mastodon", "4.6.5", "2026-08"}
	mastodon47 = software{"Mastodon", "4.7.0-alpha.2", "2026-08"}
	threads    = software{"Threads", "", "2026-06"}
	misskey    = software{"Misskey", "2025", "2026-11"}
	akkoma     = software{"Akkoma", "", "2025-10"}
	pixelfed   = software{"Pixelfed", "0.12", "2026-11"}
	lemmy      = software{"Lemmy", "1.0 in development", "2026-08"}
	peertube   = software{"PeerTube", "6", "2026-11"}
	goToSocial = software{"GoToSocial", "0.20", "2025-10"}
	friendica  = software{"Friendica", "", "2024-10"}
	flipboard  = software{"Flipboard", "", "2024-08"}
	tootik     = software{"tootik", "", "2026-08"}
	bookwyrm   = software{"BookWyrm", "", "2026-08"}
	pieFed     = software{"PieFed", "", "2026-04"}
	epicyon    = software{"Epicyon", "", "2026-11"}
)

func (s software) at(month string) software { s.seen = month; return s }

func (s software) peer() Peer { return Peer{Name: s.name, Version: s.version, Seen: s.seen} }

// does is a peer that takes the actor, but.
func (s software) does(what string) Peer {
	p := s.peer()
	p.Does = what
	return p
}

// refused are peers that take nothing from such an actor.
func refused(by ...software) []Peer {
	var peers []Peer
	for _, s := range by {
		p := s.peer()
		p.Refuses = true
		peers = append(peers, p)
	}
	return peers
}

// refusedByAll is for what nobody can work with.
func refusedByAll() []Peer {
	return refused(mastodon, threads, misskey, akkoma, pixelfed, lemmy, peertube, goToSocial)
}
