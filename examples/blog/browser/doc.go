// Package browser holds a test of the blog beside it as a reader, its author and a follower elsewhere meet it, in a browser.
//
// The test builds the blog, starts it with a server of somebody else's beside it, and has walk.mjs go through all pages with
// Chromium: a reader follows an author, the author publishes, a reply comes in and is approved. On the way it looks at each page
// with axe-core, in light and dark, narrow and wide, and writes screenshots. The test has the build tag browser, and fails, rather
// than skips, where Chromium, Node or the packages are missing:
//
//	apt-get install chromium nodejs npm
//	cd examples/blog/browser
//	npm ci
//	go test -tags browser -v .
//
// Screenshots go to the folder screenshots, which git ignores, or to the one that SCREENSHOTS names. CHROMIUM names another
// browser than /usr/bin/chromium.
package browser
