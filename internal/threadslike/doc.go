// Package threadslike is a double of Threads, Meta's network, for tests: what threads.net has been seen to demand, send and
// leave out, on loopback and by a clock of the test's choice.
//
// [New] makes a [Server], which is an http.Handler. [Server.AddUser] gives it an [Account], whose methods are what a user can
// do in the app; [Server.Deliver] sends what that led to. [Server.Exchanges] tells what was asked and why it was
// answered as it was, which Threads itself tells nobody.
//
// It shares no code with the rest of this module, signatures included, so that the two can disagree.
//
// # What it is modelled on
//
// Threads is closed and nobody has published a whole actor of it. What is known was seen from outside:
//
//   - the operations log of the Matters Fediverse Gateway of 2026-05 and 2026-06, over real traffic: the form of ids, which
//     activities are answered 200 and 500, ids with fragments, user agents, what the app's buttons say
//   - Fedify issues 122, 124 and 125 (2024-08), and the actor dehydrator that its manual of sending names Threads for: signed
//     fetches, 404 where others say 401, the upper case of SHA-256, Undo, WebFinger
//   - activitypub-bot issue 179 (2026-05): draft-cavage, and RFC 9421 refused
//   - Friendica issue 14488 (2024-10): signatures with five minutes of life that arrive after 6 min 46 s
//   - Fedibird issue 19 (2024-03): 429 by the domain of who signs
//   - GoToSocial issues 2491, 3471 and 3682 (2024-01 to 2025-01): 500 to those whose key is a document of its own
//   - Seb Jambor's fourth article on ActivityPub (2023-12): whose key signs the fetch of a key, and the loop that makes
//   - Bridgy Fed issue 1825: pictures whose address expires; Ghost's ActivityPub issue 981 (2026-07): no outbox
//   - a fixture of Sergio Xalambrí (2026), unconfirmed but in agreement with the rest: the list of links in url, as:Public,
//     offsets without a colon
//   - Meta's engineering article of 2024-03-21 and its help pages (as of 2024-03, 2024-10 and 2025-06): quotes, the edit
//     window, who and what is shared, for which servers
//
// # What is not known
//
// Decided here one way or another, and no proof of anything: when a signature that it dislikes is answered 500 and not 404;
// which of HTML, name, summary and a wider cc made the one Note fail that had them all (see Config.Strict); what a signature
// has to cover and how old it may be; which fields it covers itself; whether deliveries are repeated, and to shared inboxes;
// whether its Accept embeds the Follow; what its Delete and Announce look like, and what it sends when a user stops sharing
// (here: nothing); what it does with a post whose id is not served as ActivityPub, or that is not public (here: not shown);
// what a second Follow of the same pair means; whether POSTs are throttled like GETs. No block from its side can be told
// from a fault.
package threadslike
