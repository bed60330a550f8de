// Package media shows strangers' pictures without telling them who looks.
//
// An avatar or an attachment that a page embeds by its own URL tells the server it lies on who reads the page: address,
// browser, hour. A [Proxy] is the http.Handler in between. It fetches a picture once, decodes it, encodes it anew and
// serves the copy from the app's own origin:
//
//	proxy, err := media.New(media.Config{Keys: [][]byte{secret}, Dir: "/var/cache/blog/media"})
//	mux.Handle("/media/", proxy)
//
// and in the template's data
//
//	page.Avatar = proxy.URL(actor.Icon, media.Avatar) // "" for what can't be shown: leave the <img> out
//
// # Addresses
//
// [Proxy.URL] signs: HMAC-SHA256 over the remote URL, the [Variant] and, with [Config].Lifetime, the hour at which the
// address ends; [Proxy.URLOf] signs the picture's owner, too. The handler fetches nothing that it did not sign, so it is nobody's open proxy. The signature is all the
// protection a copy has: who was given the address of a picture from a private post can pass it on, as with the remote
// address. To change keys put the new one first and drop the old ones when pages that hold their addresses are no longer
// cached anywhere.
//
// # What is shown
//
// JPEG, PNG, GIF and WebP, told apart by their bytes; what the other server says about the type is not read. All are
// scaled down to the variant's [Size], never up, turned upright as EXIF says, and encoded anew as JPEG, or as PNG where
// something is transparent or the original was lossless and small. Nothing else of the file survives: no EXIF, XMP,
// IPTC, comments, thumbnails, colour profiles (pictures in a wide gamut look a little paler), nor what was appended to
// it. Of an animation the first frame is shown. SVG, HTML, AVIF, HEIC, video and sound are refused with [ErrType], after
// sixteen bytes of them were read: link to the original instead, for a copy of somebody's video would need another's
// disk and would arrive as unexamined bytes in the reader's decoder.
//
// # What it costs
//
// Fetches go through a client that dials public addresses only, over https, at each hop of a redirect, and end after
// Config.MaxBytes or Config.Timeout. Dimensions are read from the header and checked against Config.MaxPixels before
// a decoder sees the picture, and so is the most that decoding could allocate: all decoders at once have
// Config.MaxMemory. Requests for the same picture share one fetch, a host gets MaxFetchesPerHost fetches at once, all
// together MaxFetches, and who would have to queue behind too many is told to come back ([ErrBusy], 503). What could not
// be had is remembered, an hour if trying again is futile and a minute otherwise. Some two times
// MaxFetches × MaxBytes, and MaxMemory, are held for it all.
//
// # Where copies are kept
//
// In files under Config.Dir, or in memory without one. A file appears whole or not at all, whenever the machine stops.
// Config.MaxStored bounds all of them, and what was looked at least recently goes first. Config.MaxStoredPerHost bounds
// what one registrable domain can take, so that nobody's flood pushes out everyone else's pictures. Several processes
// may share a directory. Each counts it again after it has written a tenth of MaxStored, so that n of them exceed either
// bound by n tenths of MaxStored at worst. Files that are not the proxy's are neither counted nor touched.
//
// A copy older than Config.MaxAge is fetched again when it is asked for, and goes on being served if the other server
// doesn't answer. If it says that the picture is gone, so is the copy. Where addresses end by themselves, as those of
// Threads do after hours or days, Config.Refresh finds the new one: get the post or the profile anew (the façade's
// Server.Refresh does) and look. Which that is says an address of [Proxy.URLOf], however old. Go on showing the old address, under which the copy is kept; each new one would be
// another picture.
//
// # Moderation
//
// Config.Reject is asked at each request, for copies too, and at each hop of a fetch: a new rule takes effect at once.
// Its error is a 503, never yes. [Proxy.PurgeURL] and [Proxy.PurgeHost] remove copies; browsers keep theirs for up to a
// week.
//
// It is asked about where a picture lies, which need not be the server whose user posted it: many keep their files
// elsewhere. What an author may not show, the page that shows the post leaves out.
//
// # When a picture is missing
//
// The handler's status tells why, and the line of text and the log say it in words: 403 for an address that was not signed
// here ([ErrSignature]: another key, or changed on its way) and for [ErrRejected]; 410 for one that expired; 404 for what
// the other server has no longer, and for what is no address at all; 502 for what it sent instead of a picture that can be
// shown ([ErrType], [ErrTooLarge], [ErrBroken]) or did not send ([ErrFetch]); 503 for what may work in a moment ([ErrBusy],
// [ErrUndecided], [ErrClosed]). [Proxy.Fetch] returns the whole error, with the other server's status.
//
// Which pictures a page shows, and their descriptions, are the app's affair, and so is uploading.
//
// Experimental: names may change until version 1.0.
package media
