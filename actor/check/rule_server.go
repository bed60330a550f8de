package check

const noSoftware = "does not learn what software runs there"

// What Threads finds by looking, a program can only find where it is named.
const unpublished = "blocks servers that don't publish it, and nothing here says that this one does"

// serverRules are what peers ask of the server of an actor, in the order in which it is asked.
var serverRules = []Rule{
	{"webfinger-missing", refused(peerMastodon, peerGoToSocial.at("2026-11")),
		"Answer WebFinger for acct:user@host, at the host of the actor's id and at the handle's.", "RFC 7033 §4"},
	{"webfinger-without-actor", refused(peerMastodon, peerGoToSocial),
		`Give the JRD a link with rel "self", the actor's id as href and type application/activity+json.`, "RFC 7033 §4.4"},
	{"webfinger-other-actor", refused(peerMastodon, peerGoToSocial),
		"Let the handle lead to this actor's id, the same string, and this actor back to the handle.", "RFC 7033 §4.4"},
	{"actor-not-served", refusedByAll(),
		"Answer a GET of the actor's id with 200 and its document; 410 once it is deleted.", "ActivityPub §3.2"},
	{"actor-needs-signature", append(refused(peerEpicyon), peerThreads.at("2023-12").does("signs its request with an actor that itself needs a signature, and so waits for ever")),
		"Show actors and their keys to unsigned requests, too.", ""},
	{"id-differs", refused(peerMastodon, peerMisskey, peerAkkoma, peerLemmy),
		"Serve the actor at its id: the id in the document must be the URL at which it was asked for.", "FEP-fe34"},
	{"content-type-refused", refused(peerMastodon, peerMisskey, peerAkkoma, peerLemmy, peerGoToSocial.at("2026-11")),
		"Serve documents as application/activity+json.", "ActivityPub §3.2"},
	{"content-type-unusual", refused(peerLemmy),
		"Serve documents as exactly application/activity+json, which it compares as a string.", "ActivityPub §3.2"},
	{"accept-ignored", append(refused(peerPieFed, peerEpicyon), peerMastodon.does("does not find the actor when people search for its URL")),
		"Answer with the document to application/ld+json without a profile and to application/activity+json with one, too.", "ActivityPub §3.2"},
	{"clock-off", refused(peerMastodon, peerLemmy, peerPieFed, peerFriendica, peerBookwyrm),
		"Set the server's clock: signatures are dated by it.", "RFC 9110 §6.6.1"},
	{"meta-agent-refused", refused(peerThreads),
		"Let facebookexternalua, facebookexternalhit and meta-externalagent through to actors and objects, without challenges and pages for people.", ""},
	{"key-url-not-actor", refused(peerThreads.at("2025-01"), peerFlipboard),
		"Answer a GET of the key's id with the whole actor.", ""},
	{"server-actor-closed", []Peer{
		peerMastodon.does("in secure mode, can't verify what the server fetches"), peerGoToSocial.does("can't verify what the server fetches")},
		"Show the actor that signs the server's own fetches to everybody, unsigned.", "FEP-2677"},
	{"move-unconfirmed", []Peer{peerMastodon.does("moves no followers")},
		"List this actor's id under alsoKnownAs of the actor that it moved to.", "FEP-7628"},
	{"move-target-moved", []Peer{peerMastodon.does("moves no followers")},
		"Set movedTo to where the account is now.", "FEP-7628"},
	{"nodeinfo-missing", []Peer{
		peerMisskey.does(noSoftware), peerPixelfed.does(noSoftware), peerFriendica.does(noSoftware), peerPeertube.does("does not find the server's actor")},
		"Serve /.well-known/nodeinfo and the NodeInfo 2.1 or 2.0 to which it leads.", "FEP-f1d5"},
	{"nodeinfo-malformed", []Peer{peerMisskey.does(noSoftware), peerPixelfed.does(noSoftware), peerFriendica.does(noSoftware)},
		"Serve a NodeInfo that its schema allows.", "NodeInfo 2.1"},
	{"privacy-policy-missing", []Peer{peerThreads.at("2024-03").does(unpublished)},
		"Publish a privacy policy and name it in NodeInfo's metadata as privacyPolicyUrl.", ""},
	{"age-rule-missing", []Peer{peerThreads.at("2024-03").does(unpublished)},
		"Publish that users must be 13 or older, and write minimumAge into NodeInfo's metadata.", ""},
	{"public-feed-missing", []Peer{peerThreads.at("2024-03").does(unpublished)},
		"Publish a page with the newest public posts that can be read without an account, and name it in NodeInfo's metadata as publicFeedUrl.", ""},
}
