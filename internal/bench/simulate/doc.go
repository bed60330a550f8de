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
// The whole week, as seen on two cores that did much else:
//
//	said                           56 posts, 3500 replies  to 1000000 followers on 30000 hosts in 7 days
//	delivered                      2252572 of 2252572      of what went to live hosts; 0 twice
//	requests                       2487065                 1.10 per delivery, 6.7 GB of bodies
//	posts to hosts that were up    2191993                 p50 10.3s, p90 19.5s, p99 44.6s, p99.9 3m24s, last 2h46m27s
//	replies to hosts that were up  3442                    p50 250ms, p90 1.1s, p99 4.5s, p99.9 1m2s, last 27m15s
//	after an outage, from its end  57137                   p50 6m40s, p90 22m3s, p99 46m5s, p99.9 2h34m15s, last 3h39m35s
//	attempts at a dead host        19 in any 24 h at most  on average 4.7 a day, of 3071 hosts
//	attempts during an outage      17 in any 24 h at most  of 10238 hosts
//	memory                         280 MB of heap at most  resident 389 MB, the simulation's own notes included
//	took                           3m20s                   1m4s of CPU, 26 µs per request
package main
