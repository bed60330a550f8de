package threadslike

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// known is everything that is known of Threads: where the double does it, by the test that shows it, or why it does not.
var known = []struct{ says, source, test, why string }{
	{"ids and handles are at threads.net, threads.com is for people", "Matters log, 2026-06", "TestHandlesAreAtThreadsNetAndThreadsComIsForPeople", ""},
	{"WebFinger is public and knows those who opted in, by handle alone", "Fedify issue 122, 2024-08", "TestWebFingerKnowsTheHandlesOfThoseWhoShare", ""},
	{"an actor's id ends in a slash; in 2023 it was at www. with the handle", "Matters log, 2026-06; GoToSocial issue 2491, 2024-01", "TestIDsEndInASlash", ""},
	{"inbox, collections, key and shared inbox lie under the id", "Matters log, 2026-06-02", "TestAddressesLieUnderTheActor", ""},
	{"a Like's id is a fragment of the actor's", "Matters log, 2026-06-04", "TestALikeHasAFragmentForItsID", ""},
	{"the outbox is 404, collections are numbers", "Ghost ActivityPub issue 981, 2026-07", "TestOutboxesAreNotPublicAndFollowersAreCounted", ""},
	{"url is a list, the app's link first; as:Public; +0000; pages at www.", "fixture of Sergio Xalambrí, 2026, unconfirmed", "TestAPostLinksToTheAppFirst", ""},
	{"pictures are on another host, at addresses that expire", "Bridgy Fed issue 1825", "TestPicturesExpire", ""},

	{"unsigned GETs of actors and posts are 404", "Fedify issue 122, 2024-08; feditest issue 37", "TestUnsignedRequestsAre404", ""},
	{"a signature that it dislikes is 404 too", "activitypub-bot issue 179, 2026-05", "TestADislikedSignatureIs404", ""},
	{"RFC 9421 was refused", "activitypub-bot issue 179, 2026-05", "TestRFC9421IsRefused", ""},
	{"the Digest says SHA-256 in upper case", "Fedify issue 125, 2024-08", "TestTheDigestIsInUpperCase", ""},
	{"it fetches the key while it is asked, signed by a user: who verifies that, loops", "Jambor, 2023-12; Fedify issue 124", "TestWhoVerifiesTheFetchOfAKeyLoops", ""},
	{"500 where a key's id leads to a stub", "GoToSocial issues 2491, 3471, 3682", "TestAKeyThatLeadsToAStubIs500", ""},
	{"deliveries arrive minutes after their Date, with five minutes of life", "Friendica issue 14488, 2024-10", "TestDeliveriesArriveLate", ""},
	{"its user agents are Meta's crawlers", "Matters log, 2026-06", "TestFetchesUseMetasUserAgents", ""},

	{"an actor is a string, an Accept embeds the whole Follow", "Matters log, 2026-06-02", "TestABareAcceptIs500AndTheFollowStaysPending", ""},
	{"an Undo embeds what it undoes", "Fedify issue 125, 2024-08", "TestABareUndoIs500", ""},
	{"one Note was shown and another was 500", "Matters log, 2026-06-04", "TestWhichNotesAreTaken", ""},
	{"an Article has published, updated and mediaType", "Matters log, 2026-06-04", "TestWhichArticlesAreTaken", ""},
	{"Update is 200; Delete is assumed to be", "Matters log, 2026-06", "TestUpdateAndDeleteAreTaken", ""},
	{"a post's id is ActivityPub for Meta's user agents", "Matters log, 2026-06", "TestAPostIsShownOnlyIfItsIDIsActivityPub", ""},
	{"the same activity is 500 each time", "Matters log, 2026-06", "TestTheSame500ComesEachTime", ""},
	{"429 by the domain of the signer", "Fedibird issue 19, 2024-03", "TestThrottlingGoesByTheSignersDomain", ""},

	{"what it sends; no reply to nor share of other servers' posts", "Matters log, 2026-06", "TestWhatUsersCanDo", ""},
	{"posts leave after the edit window, as of when they were written", "help page of 2024-10", "TestPostsLeaveAfterTheEditWindowTheNewestFirst", ""},
	{"quotes: FEP-e232, _misskey_quote and words", "Meta's engineering article, 2024-03-21", "TestAQuoteIsSaidInThreeWays", ""},
	{"private and young people, polls, followers-only and restricted posts stay", "help page of 2024-03", "TestWhatIsNotSharedStaysAtThreads", ""},
	{"people are found by their exact handle", "help page of 2025-06", "TestPeopleAreFoundByTheirExactHandle", ""},
	{"view original opens our url", "Matters log, 2026-06", "TestViewOriginalLeadsToThePage", ""},

	{"servers need a privacy policy, one about children, and a public feed", "help page of 2024-03", "",
		"people look at that, not the protocol; what they decide is Server.Block"},
	{"the list of blocked servers is a page", "Bridgy Fed domains.py", "TestTheListOfBlockedServersIsAPage", ""},
	{"a block is 404 and can't be told from a fault", "NodeBB issue 13041", "TestABlockIsInvisible", ""},
	{"there is no NodeInfo", "Friendica GServer.php, 2024-10", "TestThereIsNoNodeInfo", ""},

	{"an inlined actor can't be read", "Fedify's manual of sending", "TestAnInlinedActorIs500", ""},
	{"replies to and shares of other servers' posts are not possible yet", "Matters log, 2026-06", "TestPostsOfOtherServersCanNotBeAnsweredOrSharedYet", ""},
	{"replies, polls and what else it does not show are 200", "Matters log, 2026-06", "TestWhatIsIgnoredIs200", ""},
	{"hs2019 with created and expires; rsa-sha256 in 2023", "Friendica issue 14488, 2024-10", "TestWhatIsSignedVerifiesAndNothingElse", ""},
}

func TestWhatIsKnownIsDoneOrHasAReason(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(fn.Name.Name, "Test") {
				tests[fn.Name.Name] = true
			}
		}
	}
	if len(known) < 38 { // as many as were known in 2026-11; what turns out to be wrong is replaced by what is right
		t.Errorf("%d rows: something was forgotten", len(known))
	}
	seen := map[string]bool{}
	for _, k := range known {
		switch {
		case k.says == "" || k.source == "" || seen[k.says]:
			t.Errorf("%q, by %q: a row says something new, and who saw it", k.says, k.source)
		case (k.test == "") == (k.why == ""):
			t.Errorf("%s: a row has either a test or a reason", k.says)
		case k.test != "" && !tests[k.test]:
			t.Errorf("%s: there is no %s", k.says, k.test)
		}
		seen[k.says] = true
	}
}
