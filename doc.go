// Package fedihook lets a Go app join the fediverse: its users can be found, followed and read on Mastodon, Threads and all
// other servers that speak ActivityPub, and can follow and read back.
//
// Fill in a [Config], mount [Server.Wrap] around the app's handler and keep [Server.Run] going. What the app says it says
// with the verbs ([Server.Publish], [Server.Follow], …); what others say reaches its [inbox.Hooks]; whom and what people type or
// paste is found by [Server.Lookup] and [Server.LookupURL], and [Server.Handle] proves what an actor is called. A site that
// federated before brings its ids, keys and followers along by [Server.Import]. Everything is signed and
// verified, nothing but public addresses is dialled, and nothing is lost once it was answered 202 or a verb returned nil.
//
// It keeps no posts, renders no pages and logs nobody in: that is the app's.
//
// # The ladder
//
// Stop where you like:
//
//  1. [New], [Server.Wrap], [Server.Run] and the verbs: an app that has users and posts.
//  2. Packages inbox, actor, outbox and delivery: an app of another shape, wired by hand as this package does it.
//  3. Package signature's Verifier.Handler and Transport: signed requests over plain net/http. Package delivery: webhooks.
//  4. signature.Sign and Verify, package activity: bytes in, bytes out.
//
// # What stays
//
// Ids, and what is asked of stores, were settled first and are meant to stay. Until version 0.1 tables may change without a
// migration; until 1.0 everything but package signature is experimental.
package fedihook
