// Package signature proves who sent an HTTP request, and checks such proofs, in the two ways
// the fediverse uses: draft-cavage-12 and RFC 9421. Webhooks need nothing else of it.
//
// Most programs need two names. A [Transport] signs what an http.Client sends. A [Verifier]
// checks what arrives: its Handler stands before any http.Handler, its Verify takes a request
// and the bytes of its body. Underneath are [Sign], [KeyID] and the import and export of keys,
// each of which works alone.
//
// The arithmetic of draft-cavage signatures over a Date is github.com/go-fed/httpsig's; the
// grammar, the policy and RFC 9421 are this package's. It fetches no keys and knows no
// ActivityPub: a [KeySource] brings keys and their owners, and whether that owner may say what
// the body says is for the caller to judge, see [Verified.SignedBy]. It writes no logs; every
// refusal is an [*Error].
//
// # What is signed
//
//	scheme           method     covered
//	draft-cavage-12  POST etc.  (request-target) host date digest [content-type collection-synchronization]
//	draft-cavage-12  GET, HEAD  (request-target) host date
//	RFC 9421         POST etc.  @method @target-uri @authority content-digest [content-type collection-synchronization]
//	RFC 9421         GET, HEAD  @method @target-uri @authority
//
// # What is verified
//
//	scheme           algorithms                                  at least covered
//	draft-cavage-12  rsa-sha256, rsa-sha512, ed25519; hs2019 or  (request-target), host, date or (created),
//	                 none: RSA with SHA-256, or Ed25519          digest where there is or may be a body
//	RFC 9421         rsa-v1_5-sha256, rsa-pss-sha512, ed25519,   @method, @target-uri or all its parts,
//	                 ecdsa-p256-sha256                           content-digest likewise; created and keyid
//
// A request with a Signature-Input is never read as draft-cavage. What [Lenient] changes is said there.
//
// # Which suite goes to which peer
//
// A [Transport] picks per host, and remembers what it learnt (see [Memory]). As peers were seen in
// August and September 2026:
//
//	peer                               first suite          why
//	a host never met                   draft-cavage, RSA    every peer verifies it; Pixelfed answers 200 to RFC 9421 and drops it later
//	Mastodon                           draft-cavage, RSA    verifies both since 4.5; sends draft-cavage first itself
//	Misskey, Sharkey, Pleroma,         draft-cavage, RSA    know no RFC 9421
//	Akkoma, GoToSocial, Lemmy, PieFed,
//	Pixelfed, Friendica, PeerTube,
//	BookWyrm, Mobilizon, snac
//	Threads                            draft-cavage, RSA    not known to read RFC 9421; says 404 to a signature that it dislikes, see Transport.Hiding
//	Fedify (Ghost, Hollo, Hackers'     RFC 9421, RSA        once they have used it to us, or sent Accept-Signature
//	Pub), WordPress from 9.3, NodeBB,
//	activitypub.bot, Hubzilla, Bonfire
//	streams, Forte, Mitra, tootik      RFC 9421, Ed25519    where their actors say so (FEP-844e, see Capability) and Transport has such a key
//	a host that refuses one suite      the other            after 400, 401 or 403, once
//
// What an Ed25519 signature saves is the sender's time: it costs a fortieth of one with RSA-2048.
package signature
