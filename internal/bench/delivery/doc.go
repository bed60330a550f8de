// Command delivery prints what the delivery queue promises beside what it does, and beside what the same work
// costs without a queue, all in one run:
//
//	go run ./internal/bench/delivery                                  everything, in some minutes
//	go run ./internal/bench/delivery -goals rate,cpu -baseline        two goals, with a plain pool of workers beside
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
// The bare loop is what any sender must do. The pool (-baseline) is what one writes first: one row per delivery in
// SQLite, workers that take the oldest due, a backoff per row. The exit status tells whether it could be measured,
// not whether the goals are met. Everything stays on loopback.
//
// Some rows, as seen on two cores with twenty others at work, so that of wall times only ratios say much:
//
//	goal         what                                             unit                 bare   queue  pool   wanted
//	rate         RSA, warm http                                   a second             538    489    420
//	rate         RSA, warm http                                   of bare                     0.91   0.78   ≥ 0.85  met
//	rate         RSA, warm http                                   µs of CPU each       1564   1746   1699
//	rate         Ed25519, warm http                               a second             1779   818    714    ≥ 6000  NOT met
//	rate         Ed25519, warm http                               of bare                     0.46   0.40
//	rate         Ed25519, warm http                               µs of CPU each       148    214    246
//	cpu          SQLite, one inbox per host                       µs each beyond bare  1.84   25.5   55.9   ≤ 2     NOT met
//	enqueue      Publish in the app's transaction, 100000 follow… ms                   0.016  0.069
//	bytes        20 posts × 1000 hosts, stored per target that w… B                           2.90   62.3   ≤ 4     met
//	bytes        20 posts × 1000 hosts, 1500 a second, written p… B                           128    967    ≤ 100   NOT met
//	isolation    beside 96 dead, 24 hanging, p99                  s                           23.1   90.6
//	isolation    the same, to the time without                    ×                           0.71   2.35   ≤ 1.25  met
//	isolation    attempts at bad hosts meanwhile                                              136    1257
//	interactive  the same, p99                                    ms                          3915   never  ≤ 50    NOT met
//	restart      83 posts × 12000 hosts wait, to the first send   s                           0.71          ≤ 1     met
//	attempts     2000 posts in two days to dead hosts             attempts in 24 h            19            ≤ 30    met
//	(machine)    load of the machine when this began              of 2                        22.7
package main
