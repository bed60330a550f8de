package outbox

import (
	"net"
	"slices"
	"strings"

	"github.com/fedihook/fedihook/activity"
)

// Kind is a kind of thing that is said, where a peer makes a difference.
type Kind string

// The kinds.
const (
	KindReply   Kind = "reply"   // to a post of somebody on the peer
	KindPoll    Kind = "poll"    // a Question
	KindArticle Kind = "article" // an Article
	KindShare   Kind = "share"   // an Announce
	KindPrivate Kind = "private" // for followers
)

// Way is from whom a [Flow] goes to whom.
type Way uint8

// The ways. The zero Way is ToThem.
const (
	ToThem   Way = iota // what we say
	FromThem            // what they say
)

// Flow is something that a peer is known not to pass on as it was meant, so that who is about to say it can be told before. It
// is what was seen from outside, and may have changed since: nothing is left unsaid because of it.
type Flow struct {
	Domain   string // of the peer, with all that is below it
	Kind     Kind
	Way      Way
	Sentence string // in English, to be shown to who posts
	Source   string // who says so
	Seen     string // when, as year and month
}

// flows is what is known.
var flows = []Flow{
	{"threads.net", KindReply, ToThem, "Threads takes replies from other servers but has not been seen to show them.",
		"operations log of the Matters Fediverse Gateway", "2026-06"},
	{"threads.net", KindPoll, ToThem, "Nobody on Threads can vote: a poll is sent there as a post that lists the choices and links to it.",
		"operations log of the Matters Fediverse Gateway", "2026-06"},
	{"threads.net", KindArticle, ToThem, "Threads takes articles but has not been seen to show them: a short post beside it will be seen.",
		"operations log of the Matters Fediverse Gateway", "2026-06"},
	{"threads.net", KindReply, FromThem, "People on Threads can't reply to posts of other servers yet.",
		"operations log of the Matters Fediverse Gateway", "2026-06"},
	{"threads.net", KindShare, FromThem, "People on Threads can't share posts of other servers yet.",
		"operations log of the Matters Fediverse Gateway", "2026-06"},
	{"threads.net", KindPoll, FromThem, "Polls of people on Threads stay there.", "Threads' help pages", "2024-03"},
	{"threads.net", KindPrivate, FromThem, "What people on Threads post for their followers alone stays there.", "Threads' help pages", "2024-03"},
}

// aliases are other names of a peer.
var aliases = map[string]string{"threads.com": "threads.net"}

// Flows lists what the server with this authority is known not to pass on of these kinds, of all kinds if none is given.
// Empty means that nothing is known. It is pure, and the list is the caller's to keep.
func Flows(authority string, kinds ...Kind) (list []Flow) {
	host := strings.ToLower(strings.TrimSuffix(authority, "."))
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	for alias, domain := range aliases {
		if host == alias || strings.HasSuffix(host, "."+alias) {
			host = domain
		}
	}
	for _, f := range flows {
		below := host == f.Domain || strings.HasSuffix(host, "."+f.Domain)
		if below && (len(kinds) == 0 || slices.Contains(kinds, f.Kind)) {
			list = append(list, f)
		}
	}
	return list
}

// KindsOf lists the kinds of a post. It replies to a peer if that is the authority of the post that it replies to.
func KindsOf(o *activity.Object, authority string) (kinds []Kind) {
	if to, ok := activity.Authority(o.InReplyTo.ID); ok && to == authority {
		kinds = append(kinds, KindReply)
	}
	if o.Is("Question") {
		kinds = append(kinds, KindPoll)
	}
	if o.Is("Article") {
		kinds = append(kinds, KindArticle)
	}
	public := len(o.Recipients()) == 0 || o.To.Has(activity.Public) || o.CC.Has(activity.Public) // Publish addresses nobody's to everyone
	if !public {
		kinds = append(kinds, KindPrivate)
	}
	return kinds
}
