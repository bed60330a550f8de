// Package inboxtest is a fediverse in memory, for tests of apps that take part in one.
//
// [NewNet] makes a network in which the app is served beside other servers, without a socket: [Net.Server] is another server,
// whose [Server.Actor] can follow, reply, like, boost, move and lie in one line each, and whose answers to the app are real, with
// real signatures verified. For a unit test of a hook no network is needed: [Message] makes what a hook gets, and [Twice] runs
// each hook or reader two times, as a crash does.
//
// It knows neither the app nor the library above package inbox, and plugs in where the app takes a dialer and root
// certificates (for fedihook.Config these are InsecureDial and RootCAs):
//
//	n := inboxtest.NewNet(t)
//	app, err := fedihook.New(fedihook.Config{Origin: "https://blog.example", Profile: profile, InsecureDial: n.Dial, RootCAs: n.RootCAs()})
//	…
//	n.Run("blog.example", app) // a whole app; [Net.Serve] puts any http.Handler there
//	bob := n.Server("there.example").Actor("bob")
//	if status := bob.Follow("https://blog.example/ap/users/alice"); status != 202 { … }
//	bob.Server().Wait("Accept")
//
// All of it works inside of testing/synctest bubbles, if the Net is made there.
//
// # Hooks of one's own
//
// A hook is a func: give it a [Message] and look at what it did. It may run twice for one activity, and what it did the first time is
// there then. [Twice] makes that happen at each call, so that an app is tested for it by one word around its hooks, without a network
// or with one:
//
//	Hooks: inboxtest.Twice(inbox.Hooks{Follow: follow, Create: create}),
//	Readers: inboxtest.Twice(inbox.Readers{Comment: comment, React: react}),
//
// Both are shown in Examples.
//
// # Who misbehaves, and how
//
// Both lists are whole, each line is tested, and each has its Example. A server answers badly from the call of a method until
// [Server.Behave]:
//
//	[Server.RefuseSignatures]   401 to all that is signed, however well
//	[Server.RequireSignatures]  401 to all that is not signed, documents too
//	[Server.RequireRFC9421]     401 to draft-cavage signatures, and makes none
//	[Server.Hide]               404 where others say 401
//	[Server.Drip]               a byte at a time
//	[Server.Hang]               no answer
//	[Server.TooMany]            429 with Retry-After
//	[Server.Gone]               410 for everything
//	[Server.BreakTLS]           a certificate for somebody else
//	[Server.Down]               nobody at home
//	[Server.Huge]               documents of so many bytes
//	[Server.Deep]               documents nested so deep
//	[Server.Lie]                a document that says it has another id
//	[Server.LikeThreads]        as Threads does
//
// [Server.Relay] makes a relay of a server, in both styles.
//
// What an actor sends is spoilt by the [Manner] that [Actor.With] takes, the rest are what accounts and networks do in a long life:
//
//	[Manner.Unsigned]    without a signature
//	[Manner.Signer]      signed by another one, in that one's name
//	[Manner.ForeignKey]  signed with a foreign key, in its own name
//	[Manner.ID]          under an id that is not its own
//	[Manner.Late]        signed so long ago
//	[Manner.Pad]         a body of so many bytes
//	[Manner.Nest]        a body nested so deep
//	[Actor.Replay]       the same bytes again
//	[Server.Hold]        nothing leaves, until
//	[Server.Release]     all of it does: late, in another order, twice or not at all
//	[Actor.RotateKey]    a new key in the place of the old one
//	[Actor.Move]         it is somebody else now
//	[Actor.DeleteSelf]   it is no more: 410
//
// Experimental: names may change before version 1.0.
package inboxtest
