// Package lemmylike is a double of Lemmy, for tests: what its source has been read to demand, send and leave out, on loopback and by
// a clock of the test's choice.
//
// [New] makes a [Server], which is an http.Handler. [Server.AddCommunity] and [Server.AddPerson] make its actors, whose methods
// are what people can do there; [Server.Deliver] sends what that led to. [Server.Exchanges] tells what was asked and how it
// was answered.
//
// It shares no code with the rest of this module, signatures included, so that the two can disagree.
//
// # What it is modelled on
//
// The source of Lemmy (read 2026-08) and of its library activitypub-federation-rust (2026-04):
//
//   - a community is a Group at /c/, a person at /u/, a post a Page, a comment a Note; one inbox for all
//   - a community wraps each activity that it takes in an Announce to its followers, the bytes as they came, and for a post sends the
//     Page in a second one, which it refuses itself
//   - a person's activity needs the community and everyone in to or cc, an id and an object of its actor's own host, an actor
//     who is not banned
//   - what a moderator removes is a Delete with a summary, a ban a Block with a target
//   - requests are signed by draft-cavage with hs2019 over (request-target), content-type, date, digest and host, and good for an
//     hour; every part of a Digest is taken for SHA-256
//   - documents are taken under three spellings of their media type and no other, after one redirect at most, up to 1 MiB, and
//     only if their id is their address
//   - errors are JSON and 400
//
// # What is not modelled
//
// Pages for people, private communities, site-wide bans, languages, tags, pictures, reports, and how it repeats deliveries: here
// there is one attempt. Whether a moderator's own server shows what the moderator did is not known to matter and so not asked.
package lemmylike
