package actor

import (
	"net/url"
	"slices"
	"strings"
)

// threads is where Threads federates. Its pages moved to threads.com in April 2025; ids, inboxes and handles stayed
// (seen 2026-06).
const threads = "threads.net"

// threadsPages are the hosts where only pages of Threads are, and on which nothing answers WebFinger for it.
var threadsPages = []string{"www." + threads, "threads.com", "www.threads.com"}

// onThreads is the handle of which a profile's page on Threads is. Ids, which have a path of their own, are none.
func onThreads(u *url.URL) (a account, ok bool) {
	at := authority(u)
	user, profile := strings.CutPrefix(strings.TrimSuffix(u.Path, "/"), "/@")
	if !profile || at != threads && !slices.Contains(threadsPages, at) {
		return account{}, false
	}
	a, err := parseAccount(user + "@" + threads)
	return a, err == nil
}

// home is the host on which a handle's host answers.
func (a account) home() account {
	if slices.Contains(threadsPages, a.host) {
		a.host = threads
	}
	return a
}
