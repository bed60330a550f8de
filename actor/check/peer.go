package check

// knownPeer is software whose source was read or whose behaviour was seen, with the version and month of that.
type knownPeer struct{ name, version, seen string }

// Whose rules are known. Where a rule was seen at another time, it says so itself.
var (
	peerMastodon   = knownPeer{"Mastodon", "4.6.5", "2026-08"}
	peerMastodon47 = knownPeer{"Mastodon", "4.7.0-alpha.2", "2026-08"}
	peerThreads    = knownPeer{"Threads", "", "2026-06"}
	peerMisskey    = knownPeer{"Misskey", "2025", "2026-11"}
	peerAkkoma     = knownPeer{"Akkoma", "", "2025-10"}
	peerPixelfed   = knownPeer{"Pixelfed", "0.12", "2026-11"}
	peerLemmy      = knownPeer{"Lemmy", "1.0 in development", "2026-08"}
	peerPeertube   = knownPeer{"PeerTube", "6", "2026-11"}
	peerGoToSocial = knownPeer{"GoToSocial", "0.20", "2025-10"}
	peerFriendica  = knownPeer{"Friendica", "", "2024-10"}
	peerFlipboard  = knownPeer{"Flipboard", "", "2024-08"}
	peerTootik     = knownPeer{"tootik", "", "2026-08"}
	peerBookwyrm   = knownPeer{"BookWyrm", "", "2026-08"}
	peerPieFed     = knownPeer{"PieFed", "", "2026-04"}
	peerEpicyon    = knownPeer{"Epicyon", "", "2026-11"}
)

func (s knownPeer) at(month string) knownPeer { s.seen = month; return s }

func (s knownPeer) peer() Peer { return Peer{Name: s.name, Version: s.version, Seen: s.seen} }

// does is a peer that takes the actor, but.
func (s knownPeer) does(what string) Peer {
	p := s.peer()
	p.Does = what
	return p
}

// refused are peers that take nothing from such an actor.
func refused(by ...knownPeer) []Peer {
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
	return refused(peerMastodon, peerThreads, peerMisskey, peerAkkoma, peerPixelfed, peerLemmy, peerPeertube, peerGoToSocial)
}
