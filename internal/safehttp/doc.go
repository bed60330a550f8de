// Package safehttp makes the one HTTP client that may be pointed at a stranger's URL.
//
// [New] returns it. The client, and its Transport alone just as well, refuses every URL that is not
// https on a permitted port of a globally routable address, checks the address on the very connection
// it makes (so that a name which resolves differently the second time gains nothing), reads no more
// than a bound and waits no longer than a bound. It keeps no cookies and obeys no proxy variables.
// What it refuses it reports as a [RefusedError]; [Public] tells which addresses it would dial.
//
// It signs nothing, retries nothing and understands no document: signing is a RoundTripper around the
// Transport, see package signature, and retrying is package delivery's affair.
package safehttp
