// Command delivery prints what the delivery queue promises beside what it does, and beside what the same work
// costs without a queue, all in one run:
//
//	go run ./internal/bench/delivery                                  everything, in some minutes
//	go run ./internal/bench/delivery -goals rate,cpu -baseline        two goals, with a plain pool of workers beside
//	bash .ci/postgres go run ./internal/bench/delivery -store postgres -nodes 1,2,4
//	go run ./internal/bench/delivery -goals isolation -hosts 2000 -dead 0.2 -tarpit 0.05 -suite ed25519
//
// The goals are
//
//	rate         deliveries a second to a sink in this machine, to those of a bare loop that signs and posts the same
//	             bodies over the same connections, so many at once; TLS and cold connections beside
//	cpu          what the queue itself costs per delivery, posting to nowhere, from Enqueue to the recorded end
//	enqueue      what Publish takes in the app's own transaction, whatever the audience
//	expand       how soon a post to many followers is in the queue, and how long others wait for the file meanwhile
//	bytes        what the file takes per target that waits, and what is written in its life, bodies apart
//	isolation    how soon healthy hosts are served beside dead and hanging ones
//	interactive  how soon something urgent leaves behind a large fan-out
//	restart      how soon a new process sends where much waits
//	dead         what waits for dead hosts costs in memory and in the file
//	attempts     how often a dead host is tried in a day, by the clock of package simulation
//
// With -store postgres they are others, each beside what most queues on PostgreSQL do: a row per delivery, claimed with SKIP LOCKED
// (the column pool; -baseline=false leaves it out):
//
//	wal          bytes of write-ahead log per target, bodies and whole pages included
//	cpu          what this process uses beyond a bare loop, and with it all processes of the server, which must be on this machine
//	nodes        deliveries a second of so many processes (-nodes) that this one starts, on the cores that there are, to one sink
//	takeover     how soon every host is posted to again after one of two nodes was killed in the middle of posting
//	isolation, interactive  as above
//
// The bare loop is what any sender must do. The pool (-baseline) is what one writes first: one row per delivery in
// SQLite, workers that take the oldest due, a backoff per row. The exit status tells whether it could be measured,
// not whether the goals are met. Everything stays on loopback.
//
// Some rows, as seen on two cores with seven others at work (loads of 1 to 14), so that of wall times only ratios say much:
//
//	goal         what                                             unit                 bare   queue  wanted
//	rate         RSA, warm http                                   a second             1060   1119
//	rate         RSA, warm http                                   of bare                     1.06   ≥ 0.85  met
//	rate         RSA, warm http                                   µs of CPU each       1114   1123
//	rate         Ed25519, warm http                               a second             8858   6522   ≥ 6000  met
//	rate         Ed25519, warm http                               of bare                     0.74
//	rate         Ed25519, warm http                               µs of CPU each       83.7   108
//	rate         RSA, warm TLS                                    a second             983    1173
//	rate         RSA, cold TLS                                    a second             332    463
//	cpu          SQLite, one inbox per host, best of 3 runs       µs each beyond bare  1.87   2.31   ≤ 2     NOT met
//	cpu          the same, the worst of them                      µs each beyond bare  1.88   3.06   ≤ 2     NOT met
//	cpu          memory, one inbox per host                       µs each beyond bare  1.66   2.04
//	enqueue      Publish in the app's transaction, 100000 fo…, p99 ms                  0.085  0.09   ≤ 1     met
//	expand       100000 followers on 12000 known inboxes          ms                          8.46   ≤ 100   met
//	expand       100000 followers on 12000 unknown inboxes        ms                          84.4   ≤ 300   met
//	expand       the known ones from the table of followers       ms                          10.5   ≤ 100   met
//	expand       the same, from Publish until they are queued     ms                          55.5   ≤ 100   met
//	expand       longest wait of a writer, of all four            ms                   3.51   7.99   ≤ 10    met
//	bytes        20 posts × 1000 hosts, stored per target that w… B                           2.90   ≤ 4     met
//	bytes        20 posts × 1000 hosts, written per target        B                           77.9   ≤ 100   met
//	bytes        20 posts × 1000 hosts, 1500 a second, written p… B                           97.0   ≤ 100   met
//	bytes        2 posts × 12000 hosts, 1500 a second, written p… B                           37.5   ≤ 100   met
//	isolation    10 posts × 1080 hosts beside 96 dead, 24 hang…   s, p99                      11.8
//	isolation    the same, to the time without                    ×                           1.04   ≤ 1.25  met
//	isolation    attempts at bad hosts meanwhile                                              120
//	interactive  behind 100000 targets (rsa), p50                 ms                          5.31
//	interactive  the same, p99, of three runs 36.7 to 51.7        ms                          37.4   ≤ 50    met
//	restart      83 posts × 12000 hosts wait, to the first send   s                           0.069  ≤ 1     met
//	dead         10000 dead hosts × 10000 posts, memory grew by   MB                          2.57   ≤ 20    met
//	dead         the same, stored per target                      B                           1.17   ≤ 2     met
//	attempts     400 posts in two days to dead hosts              attempts in 24 h            19     ≤ 30    met
//
// and on PostgreSQL 15, on the same cores (loads of 10 to 17; the nodes in three rounds without the pool beside them, the rates of
// one round vary by half):
//
//	goal         what                                             unit                 bare   queue  pool  wanted
//	wal          10 posts × 10000 hosts                           B of WAL per target         1.41   630   ≤ 10    met
//	wal          2 posts × 10000 hosts, 1500 a second             B of WAL per target         2.45   661   ≤ 10    met
//	wal          20 posts × 1000 hosts                            B of WAL per target         3.38   631   ≤ 10    met
//	wal          10 posts × 1000 hosts, 1500 a second             B of WAL per target         5.87   631   ≤ 10    met
//	cpu          a fan-out to 10000, this process                 µs each beyond bare  1.61   2.60   8.77
//	cpu          a fan-out to 10000, the server                   µs each                     0.81   17.0
//	cpu          a fan-out to 10000, together                     µs each beyond bare         3.42   25.8  ≤ 5     met
//	nodes        rsa, 5 posts × 1200 hosts, 1 node                a second                    965
//	nodes        rsa, 5 posts × 1200 hosts, 2 nodes               a second                    1025
//	nodes        rsa, 5 posts × 1200 hosts, 2 nodes               of 1 node's                 1.06         ≥ 0.90  met
//	takeover     one of 2 nodes killed, until the last of 1200…   s                           11.8         ≤ 20    met
package main
