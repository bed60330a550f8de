// Package inboxtest is a fediverse in memory, for tests of apps that take part in one.
//
// [NewNet] makes a network in which the app is served beside other servers, without a socket: [Net.Server] is another server,
// whose [Server.Actor] can follow, reply, like, boost, move and lie in one line each, and whose answers to the app are real, with
// real signatures verified. For a unit test of a hook no network is needed: [Message] makes what a hook gets, and [Twice] runs
// each hook two times, as a crash does.
//
// It knows neither the app nor the library above package inbox, and plugs in where the app takes a dialer and root
// certificates (for fedihook.Config these are InsecureDial and RootCAs):
//
//	n := inboxtest.NewNet(t)
//	app, err := fedihook.New(fedihook.Config{Origin: "https://blog.example", Profile: profile, InsecureDial: n.Dial, RootCAs: n.RootCAs()})
//	…
//	n.Serve("blog.example", app.Handler())
//	bob := n.Server("there.example").Actor("bob")
//	if status := bob.Follow("https://blog.example/ap/users/alice"); status != 202 { … }
//	bob.Server().Wait("Accept")
//
// All of it works inside of testing/synctest bubbles, if the Net is made there.
//
// # Who misbehaves, and how
//
// A server answers badly from the call of a method until [Server.Behave]:
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
// What an actor sends is spoilt by the [Manner] that [Actor.With] takes: signed by another ([Manner.Signer]), with a foreign key
// ([Manner.ForeignKey]), late ([Manner.Late]), huge ([Manner.Pad]), deep ([Manner.Nest]), or under an id that is not its own
// ([Manner.ID]). [Actor.Replay] sends again what was sent; [Server.Hold] and [Server.Release] send late and in another order;
// [Actor.RotateKey], [Actor.Move] and [Actor.DeleteSelf] are what accounts do in a long life.
//
// Experimental: names may change before version 1.0.
package inboxtest
