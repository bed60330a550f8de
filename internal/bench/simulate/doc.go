// Command simulate lets the real delivery queue work through a week in minutes, for a million followers on
// 30,000 hosts, under the clock of testing/synctest: some hosts are dead, some hang, some answer 503 now and then,
// and whole regions go out of reach for hours. It prints how soon what was posted arrived, how often hosts were
// tried in vain, and what that took.
//
//	go run ./internal/bench/simulate                                       the whole week
//	go run ./internal/bench/simulate -followers 100000 -hosts 3000         a tenth of the world
//	go run ./internal/bench/simulate -days 2 -outages 1 -outage 24h        a day without a region
//
// Latencies are lognormal (-latency, -spread), followers are spread over hosts by Zipf's law, posts come at random
// times. Hosts without a shared inbox (-personal) get a request per follower, which is why the slowest deliveries
// to hosts that are up take so long. All chance comes from -seed, but not the order in which goroutines run:
// two runs differ in details.
//
// A tenth of the world, as seen on two cores that did much else:
//
//	said                           56 posts, 3500 replies  to 100000 followers on 3000 hosts in 7 days
//	delivered                      250012 of 250012        of what went to live hosts; 0 twice
//	requests                       272819                  1.09 per delivery, 0.7 GB of bodies
//	posts to hosts that were up    242887                  p50 979ms, p90 26.8s, p99 1m52s, p99.9 3m6s, last 2h47m38s
//	replies to hosts that were up  3435                    p50 248ms, p90 1.1s, p99 5.2s, p99.9 30.9s, last 1m9s
//	after an outage, from its end  3690                    p50 6m25s, p90 20m14s, p99 46m50s, p99.9 2h40m41s, last 2h58m32s
//	attempts at a dead host        19 in any 24 h at most  on average 4.7 a day, of 307 hosts
//	attempts during an outage      12 in any 24 h at most  of 1007 hosts
//	memory                         114 MB of heap at most  resident 171 MB, the simulation's own notes included
//	took                           41s                     11s of CPU, 41 µs per request
package main
