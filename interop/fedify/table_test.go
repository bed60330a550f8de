//go:build interop

package fedify_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fedihook/fedihook"
	"github.com/fedihook/fedihook/actor"
)

// The directions of a cell: who has to understand the other.
const (
	toOurs   = "Fedify → ours"
	toFedify = "ours → Fedify"
)

// cell is one thing that one side does and what the other side has of it, which is where the test looks.
type cell struct {
	kind, direction, effect string
	test                    func(t *testing.T, w *world)

	// reason is why the test does not run, or why there is none.
	reason string
}

// kinds are what the table must have a cell of in each direction.
var kinds = []string{
	"WebFinger", "lookup", "NodeInfo", "collection", "authorized fetch",
	"Follow", "Accept", "Reject", "Undo of a Follow", "Undo of an Accept", "Undo of a Reject",
	"Create", "Create with a reply", "Create with a mention", "Create with a tag", "Create with media", "Create with a poll", "Create with a vote",
	"Update of a post", "Update of a poll", "Update of an actor", "Update of a key", "Delete of a post", "Delete of an actor",
	"Like", "Undo of a Like", "EmojiReact", "Undo of an EmojiReact", "Announce", "Undo of an Announce",
	"Add", "Remove", "Block", "Undo of a Block", "Flag", "Move", "group",
	"QuoteRequest", "Accept of a QuoteRequest", "Delete of a QuoteAuthorization", "signature", "replay", "restart",
}

// cells run in this order on the same two servers. The first two Follows make fred and alice follow each
// other, which many of the others need; apart from that each brings what it is about. In the last one fred is deleted.
var cells = []cell{
	{"WebFinger", toFedify, "Fedify finds alice by her handle, with her key, inboxes and followers", fedifyFindsAlice, ""},
	{"WebFinger", toFedify, "alice's account, id and page lead to her, and her id back to her handle", fedifyAsksWebFinger, ""},
	{"WebFinger", toOurs, "ours finds fred by his handle, with his key and inboxes", oursFindsFred, ""},
	{"WebFinger", toOurs, "fred's account and id lead to him, and his id back to his handle", oursAsksWebFinger, ""},
	{"lookup", toFedify, "alice, a post of hers and the instance actor, by all their names", fedifyLooksUp, ""},
	{"lookup", toOurs, "fred and a post of his, by all their names, and his page; what is gone is said to be gone", oursLooksUp, ""},
	{"NodeInfo", toFedify, "Fedify's strict reader takes it, with software, version and counts", fedifyReadsNodeInfo, ""},
	{"NodeInfo", toOurs, "software, version and counts", oursReadsNodeInfo, ""},

	{"Follow", toOurs, "fred is a follower of alice's", fredFollowsAlice, ""},
	{"Follow", toFedify, "alice is a follower of fred's", aliceFollowsFred, ""},
	{"Accept", toFedify, "fred follows bea once she has accepted", beaAcceptsFred, ""},
	{"Accept", toOurs, "bea follows fred once he has accepted", fredAcceptsBea, ""},
	{"Accept", toFedify, "fred waits until he is let in by hand", fredWaits, ""},
	{"Accept", toOurs, "carol waits until she is let in by hand", carolWaits, ""},
	{"Accept", toOurs, "the Accept may name the Follow by its id alone", olgaIsLetInBriefly, ""},
	{"Reject", toFedify, "fred is turned away and follows nobody for it", fredIsTurnedAway, ""},
	{"Reject", toOurs, "dora is turned away and follows nobody for it", doraIsTurnedAway, ""},
	{"Reject", toFedify, "fred, who was accepted, follows no more", fredIsDismissed, ""},
	{"Reject", toOurs, "ivy, who was accepted, follows no more", ivyIsDismissed, ""},
	{"Undo of a Follow", toOurs, "emma loses her follower, and what she posts goes there no more", fredUnfollowsEmma, ""},
	{"Undo of a Follow", toFedify, "fred loses his follower", floUnfollowsFred, ""},
	{"Undo of a Follow", toOurs, "the Undo may name the Follow by its id alone", fredUnfollowsBriefly, ""},
	{"Undo of an Accept", toOurs, "olga, who was accepted, follows no more", fredTakesAcceptBack, ""},
	{"Undo of an Accept", toFedify, "", nil, "ours loses a follower by a Reject, as Mastodon does; Misskey alone sends this"},
	{"Undo of a Reject", toOurs, "", nil, "no server sends it, and no specification says what it means: who was turned away asks again"},
	{"Undo of a Reject", toFedify, "", nil, "no server sends it, and no specification says what it means: who was turned away asks again"},

	{"Create", toOurs, "a public post has its text, content warning and audience", fredPostsPublicly, ""},
	{"Create", toFedify, "a public post has its text, mention, hashtag, content warning and described image", alicePostsPublicly, ""},
	{"Create", toOurs, "a direct post is in its recipient's inbox", fredWritesToGina, ""},
	{"Create", toFedify, "a direct post is in its recipient's inbox", ginaWritesToFred, ""},
	{"Create", toOurs, "a followers-only post reaches alice, who alone can fetch it", fredPostsToFollowers, ""},
	{"Create", toFedify, "a followers-only post reaches fred, who can fetch it, and no stranger can", alicePostsToFollowers, ""},
	{"Create with a reply", toOurs, "it answers alice's post, and is for her", fredReplies, ""},
	{"Create with a reply", toFedify, "it answers fred's post", beaReplies, ""},
	{"Create with a mention", toOurs, "who is mentioned is concerned, though she follows nobody", fredMentionsGina, ""},
	{"Create with a mention", toFedify, "fred, who does not follow gina, is mentioned and hears of it", ginaMentionsFred, ""},
	{"Create with a tag", toOurs, "hashtags and a custom emoji", fredTags, ""},
	{"Create with a tag", toFedify, "hashtags and a custom emoji", aliceTags, ""},
	{"Create with media", toOurs, "an image has its type, address, size and description", fredShowsAPicture, ""},
	{"Create with media", toFedify, "an image has its type, address and description", aliceShowsAPicture, ""},
	{"Create with a poll", toOurs, "the options, and when it ends", fredAsks, ""},
	{"Create with a poll", toFedify, "the options, and when it ends", aliceAsks, ""},
	{"Create with a vote", toOurs, "alice's app hears of a vote, and of no post", fredVotes, ""},
	{"Create with a vote", toFedify, "fred hears which option alice chose", aliceVotes, ""},
	{"Update of a post", toOurs, "the text is replaced", fredEdits, ""},
	{"Update of a post", toFedify, "the text is replaced", aliceEdits, ""},
	{"Update of a poll", toOurs, "the votes are counted", fredCounts, ""},
	{"Update of a poll", toFedify, "the votes are counted", aliceCounts, ""},
	{"Update of a poll", toFedify, "counting votes is no edit", aliceCountsWithoutEditing, ""},
	{"Update of an actor", toOurs, "fred has a new name wherever ours looks", fredIsRenamed, ""},
	{"Update of an actor", toFedify, "ned has a new name", nedIsRenamed, ""},
	{"Delete of a post", toOurs, "the post is gone", fredDeletes, ""},
	{"Delete of a post", toFedify, "a tombstone is in the Delete, and 410 where the post was", aliceDeletes, ""},

	{"Like", toOurs, "alice's post is liked", fredLikes, ""},
	{"Like", toFedify, "fred's post is liked", aliceLikes, ""},
	{"Undo of a Like", toOurs, "it is taken back", fredUnlikes, ""},
	{"Undo of a Like", toFedify, "it is taken back", aliceUnlikes, ""},
	{"EmojiReact", toOurs, "alice's app hears of a reaction with its emoji", fredReactsWithEmoji, ""},
	{"EmojiReact", toOurs, "a Like with an emoji is the same", fredLikesWithEmoji, ""},
	{"EmojiReact", toFedify, "fred's post is liked with an emoji", aliceReactsWithEmoji, ""},
	{"Undo of an EmojiReact", toOurs, "it is taken back", fredTakesEmojiBack, ""},
	{"Undo of an EmojiReact", toFedify, "it is taken back", aliceTakesEmojiBack, ""},
	{"Announce", toOurs, "alice's post is shared", fredShares, ""},
	{"Announce", toFedify, "fred's post is shared", aliceShares, ""},
	{"Undo of an Announce", toOurs, "it is taken back", fredUnshares, ""},
	{"Undo of an Announce", toFedify, "it is taken back", aliceUnshares, ""},

	{"Add", toOurs, "a post of fred's is featured", fredPins, ""},
	{"Add", toFedify, "a post of jack's is featured", jackPins, ""},
	{"Remove", toOurs, "a post of fred's is featured no more", fredUnpins, ""},
	{"Remove", toFedify, "a post of jack's is featured no more", jackUnpins, ""},
	{"collection", toFedify, "Fedify walks jack's outbox over its pages, newest first, each post once", fedifyWalksTheOutbox, ""},
	{"collection", toFedify, "Fedify walks alice's followers and what jack features", fedifyWalksFollowersAndFeatured, ""},
	{"collection", toOurs, "ours walks fred's outbox over its pages, newest first, each post once", oursWalksTheOutbox, ""},
	{"collection", toOurs, "ours walks fred's followers and what he features", oursWalksFollowersAndFeatured, ""},
	{"Block", toOurs, "hugo and fred follow each other no more", fredBlocksHugo, ""},
	{"Block", toFedify, "fred hears that hugo blocks him", hugoBlocksFred, ""},
	{"Undo of a Block", toOurs, "it is taken back, and nobody follows anybody for it", fredUnblocksHugo, ""},
	{"Undo of a Block", toFedify, "it is taken back", hugoUnblocksFred, ""},
	{"Flag", toOurs, "the app hears who and what is reported, and why", fredReportsAlice, ""},
	{"Flag", toFedify, "fred's server hears who and what is reported, and why, from the instance actor", oursReportsFred, ""},

	{"group", toFedify, "fred follows a group of ours, which Fedify takes for one", fredFollowsClub, ""},
	{"group", toOurs, "what fred says to the group comes back announced byte for byte, and once more by its id", fredPostsInClub, ""},
	{"group", toOurs, "what he deletes is announced, and shared no more", fredDeletesInClub, ""},
	{"group", toFedify, "alice's post in the group is announced to fred", alicePostsInClub, ""},
	{"group", toOurs, "what a group there announces", nil, "the peer is one person; Fedify 2.3.6 leaves groups to who writes the server"},
	{"QuoteRequest", toOurs, "alice's app hears what would be quoted, and by whom; her policy answers", fredAsksToQuote, ""},
	{"QuoteRequest", toFedify, "it has alice's quote within it, and Fedify reads in that what is quoted", aliceAsksToQuote, ""},
	{"Accept of a QuoteRequest", toFedify, "Fedify reads the authorization, for fred's quote of alice's post; with it his quote is approved", aliceLetsFredQuote, ""},
	{"Accept of a QuoteRequest", toOurs, "alice's quote has fred's authorization wherever it was sent", fredLetsAliceQuote, ""},
	{"Delete of a QuoteAuthorization", toFedify, "fred hears of it, and the authorization is gone", aliceRevokes, ""},
	{"Delete of a QuoteAuthorization", toOurs, "alice's quote has no authorization any more", fredRevokes, ""},

	{"signature", toOurs, "by RFC 9421 first: 202 at once", fredKnocksByRFC9421, ""},
	{"signature", toOurs, "by draft-cavage first: 202 at once", fredKnocksByCavage, ""},
	{"signature", toOurs, "what was tampered with is refused, by either scheme", oursRefusesForgeries, ""},
	{"signature", toOurs, "by Ed25519", nil, "Fedify 2.3.6 signs requests with RSA keys alone"},
	{"signature", toFedify, "by RFC 9421 once Fedify was heard to use it: 202 at once", aliceSignsAsFredDoes, ""},
	{"signature", toFedify, "by Ed25519", nil, "Fedify 2.3.6 looks for the keys of requests in publicKey alone, where a Multikey is not"},
	{"signature", toFedify, "never by Ed25519 while Fedify does not say that it verifies that", fredSaysNothingOfEd25519, ""},
	{"signature", toFedify, "what was tampered with is refused, by either scheme", fedifyRefusesForgeries, ""},
	{"signature", toFedify, "what is for everyone Fedify believes by its LD signature and by its proof, each alone, whoever brings it", fedifyBelieves, ""},
	{"replay", toOurs, "the same bytes again: 202, and no hook runs", replayIsTakenOnce, ""},
	{"replay", toOurs, "sent again because the answer was lost: 202, and no hook runs", lostAnswerIsTakenOnce, ""},
	{"replay", toFedify, "", nil, "what Fedify does with it is Fedify's affair; that ours sends once what was answered 202 each cell checks"},

	{"Update of a key", toFedify, "kim's followers hear of it under the old key, and Fedify verifies what the new one signs", kimRotates, ""},
	{"Update of a key", toFedify, "Fedify, which was not told, verifies what lou's new key signs, and the one after that", louRotates, ""},
	{"Update of a key", toOurs, "fred's Update under his new key is believed, and what follows needs no other fetch", fredRotates, ""},

	{"restart", toFedify, "alice has the key and the followers that she had", aliceComesBack, ""},
	{"restart", toOurs, "what was seen before is not taken again, what is new is", oursRemembers, ""},
	{"Delete of an actor", toFedify, "fred hears that mia is gone, and 410 is where she was", miaLeaves, ""},
	{"Delete of an actor", toOurs, "nobody follows fred any more, and he is said to be gone", fredLeaves, ""},
}

// guarded run in this order on two servers which both ask who reads for a signature.
var guarded = []cell{
	{"authorized fetch", toFedify, "both look each other up at once, neither knowing the other's key, and neither waits for ever", bothLookUp, ""},
	{"authorized fetch", toFedify, "who does not sign gets the instance actor, WebFinger and NodeInfo, and 401 for all else", strangersAreRefused, ""},
	{"authorized fetch", toFedify, "fred, who signs, gets alice, her post and her outbox", fredReadsSigned, ""},
	{"authorized fetch", toOurs, "ours, which signs, gets fred, his post and his outbox; without a signature it is 401", oursReadsSigned, ""},
	{"authorized fetch", toOurs, "the first follow brings what fred shows to who signs", firstFollowIsCompleted, ""},
	{"authorized fetch", toFedify, "Follow, Accept and a post arrive where actors are open", fredReadsOn, ""},
	{"authorized fetch", toFedify, "where actors are closed too, Fedify signs for the keys that it verifies with", fredReadsKeysSigned, ""},
	{"Update of a key", toOurs, "fred's new key, of which ours was not told, is fetched once", fredRotatesSilently, ""},
}

// moving run in this order on two servers, on which people move to and fro.
var moving = []cell{
	{"Move", toFedify, "fred hears that kim is him now, which her document and his own prove", kimMovesToFred, ""},
	{"Move", toFedify, "bea, who followed kim, follows fred, who lets her in", beaFollowsKimToFred, ""},
	{"Move", toOurs, "alice stays with fred where the one to whom he moves does not know him", fredMovesToWhoKnowsNot, ""},
	{"Move", toOurs, "alice follows pam, to whom fred moves, and takes back that she follows him", fredMovesToPam, ""},
}

func TestOursAndFedifyFederate(t *testing.T) {
	t.Parallel()
	var done atomic.Int32
	t.Run("both", func(t *testing.T) {
		t.Run("open", func(t *testing.T) {
			t.Parallel()
			run(t, newWorld(t, nil), cells, &done)
		})
		t.Run("guarded", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(c *fedihook.Config) { c.AuthorizedFetch = actor.FetchSignedActors })
			w.p.must(t, "POST", "/strict", with{"mode": "actors"}, nil)
			run(t, w, guarded, &done)
		})
		t.Run("moving", func(t *testing.T) {
			t.Parallel()
			run(t, newWorld(t, nil), moving, &done)
		})
	})
	all := slices.Concat(cells, guarded, moving)
	t.Logf("%d/%d cells hold", done.Load(), len(all))
	for _, c := range all {
		if c.reason != "" {
			t.Logf("not %s: %s", c.name(), c.reason)
		}
	}
}

func (c cell) name() string { return strings.TrimSuffix(c.kind+" "+c.direction+": "+c.effect, ": ") }

// run tests the cells that have no reason against it and counts those that hold.
func run(t *testing.T, w *world, cells []cell, done *atomic.Int32) {
	t.Helper()
	for _, c := range cells {
		if c.reason != "" {
			continue
		}
		t.Run(c.name(), func(t *testing.T) {
			if c.test == nil {
				t.Fatal("neither a test nor a reason")
			}
			w.begin(t)
			c.test(t, w)
			if !t.Failed() {
				done.Add(1)
			}
		})
	}
}

func TestTheTableHoldsEveryKindBothWays(t *testing.T) {
	t.Parallel()
	for _, fault := range faults(slices.Concat(cells, guarded, moving)) {
		t.Error(fault)
	}
}

// faults are what is missing from a table, or is in it twice.
func faults(all []cell) (faults []string) {
	for _, kind := range kinds {
		for _, direction := range []string{toOurs, toFedify} {
			if !slices.ContainsFunc(all, func(c cell) bool { return c.kind == kind && c.direction == direction }) {
				faults = append(faults, fmt.Sprintf("no cell is about %s %s", kind, direction))
			}
		}
	}
	seen := make(map[string]bool)
	for _, c := range all {
		switch {
		case !slices.Contains(kinds, c.kind):
			faults = append(faults, fmt.Sprintf("%s is no kind", c.kind))
		case c.test == nil && c.reason == "":
			faults = append(faults, fmt.Sprintf("%s has neither a test nor a reason", c.name()))
		case seen[c.name()]:
			faults = append(faults, fmt.Sprintf("two cells are %s", c.name()))
		}
		seen[c.name()] = true
	}
	return faults
}

func TestATableWithAHoleIsFaulty(t *testing.T) {
	t.Parallel()
	all := slices.Concat(cells, guarded, moving)
	for name, table := range map[string][]cell{
		"a kind is missing in one direction": slices.DeleteFunc(slices.Clone(all), func(c cell) bool { return c.kind == "Flag" && c.direction == toOurs }),
		"neither a test nor a reason":        append(slices.Clone(all), cell{kind: "Flag", direction: toOurs, effect: "nothing"}),
		"the same twice":                     append(slices.Clone(all), all[0]),
		"no kind":                            append(slices.Clone(all), cell{kind: "Dislike", direction: toOurs, reason: "none"}),
	} {
		if n := len(faults(table)); n != 1 {
			t.Errorf("%s: %d faults", name, n)
		}
	}
}
