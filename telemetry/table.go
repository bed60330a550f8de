package telemetry

// Kind says what kind of instrument a metric has.
type Kind string

// The kinds.
const (
	Counter   Kind = "counter"   // it rises
	Histogram Kind = "histogram" // how often which values came
	Gauge     Kind = "gauge"     // how much there is just now
)

// Metric is one of [Metrics].
type Metric struct {
	Name       string
	Kind       Kind
	Unit       string // UCUM
	About      string
	Attributes []Attribute
	Buckets    []float64 // upper bounds, of a histogram
}

// Span is one of [Spans].
type Span struct {
	Name       string
	Kind       string // of OpenTelemetry: "internal", "producer", …
	Parent     string // the span that it is in
	About      string
	Attributes []Attribute // some only where it ends
}

// The names of metrics.
const (
	deliveryPosts    = "fedihook.delivery.posts"
	deliveryRetries  = "fedihook.delivery.retries"
	deliveryDuration = "fedihook.delivery.duration"
	deliveryStages   = "fedihook.delivery.stage.duration"
	deliveryAge      = "fedihook.delivery.age"
	deliverySettled  = "fedihook.delivery.settled"
	deliveryFlush    = "fedihook.delivery.flush.duration"
	deliveryExpired  = "fedihook.delivery.expired"
	deliveryDead     = "fedihook.delivery.dead_letters"
	deliveryLeases   = "fedihook.delivery.lease.changes"
	deliveryShards   = "fedihook.delivery.lease.shards"
	deliveryWaiting  = "fedihook.delivery.waiting"
	deliveryOldest   = "fedihook.delivery.oldest"
	deliveryInFlight = "fedihook.delivery.in_flight"
	deliverySlow     = "fedihook.delivery.in_flight.slow"
	deliveryLate     = "fedihook.delivery.unflushed"
	deliveryHosts    = "fedihook.delivery.hosts"

	outboxSaid     = "fedihook.outbox.said"
	outboxDuration = "fedihook.outbox.handover.duration"
	outboxDelay    = "fedihook.outbox.handover.delay"
	outboxInboxes  = "fedihook.outbox.handover.inboxes"
	outboxEnded    = "fedihook.outbox.ended"

	inboxRequests     = "fedihook.inbox.requests"
	inboxDuration     = "fedihook.inbox.request.duration"
	inboxKept         = "fedihook.inbox.kept"
	inboxVerification = "fedihook.inbox.verification.duration"
	inboxDelay        = "fedihook.inbox.hook.delay"
	inboxHook         = "fedihook.inbox.hook.duration"
	inboxJournal      = "fedihook.inbox.journal.entries"
	inboxOldest       = "fedihook.inbox.journal.oldest"

	keyLookups  = "fedihook.keys.lookups"
	keyDuration = "fedihook.keys.fetch.duration"

	mediaRequests = "fedihook.media.requests"
	mediaBytes    = "fedihook.media.bytes"
)

// Bounds of buckets, in seconds: of what somebody waits for, and of what waits.
var (
	quick = []float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}
	slow  = []float64{0.01, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3600, 6 * 3600, 24 * 3600, 3 * 24 * 3600, 7 * 24 * 3600}
	many  = []float64{0, 1, 10, 100, 1_000, 10_000, 100_000}
)

// Metrics lists all metrics. The caller may keep and change the list, not what is in it.
func Metrics() []Metric {
	return []Metric{
		{deliveryPosts, Counter, "{post}", "Posts to inboxes.", []Attribute{attrOutcome, attrClass, attrStatusClass}, nil},
		{deliveryRetries, Counter, "{post}", "Of them, those to an inbox that was tried before.", []Attribute{attrOutcome}, nil},
		{deliveryDuration, Histogram, "s", "How long a post took, with signing.", []Attribute{attrOutcome}, quick},
		{deliveryStages, Histogram, "s", "How long the parts of a post took that happened.", []Attribute{attrStage}, quick},
		{deliveryAge, Histogram, "s", "How old an activity was when a post of it began.", []Attribute{attrClass}, slow},
		{deliverySettled, Counter, "{target}", "Targets of which the store was told that nothing is left to do.", nil, nil},
		{deliveryFlush, Histogram, "s", "How long it took to tell the store.", []Attribute{attrFlush}, quick},
		{deliveryExpired, Counter, "{target}", "Targets that were given up because the activity had expired.", nil, nil},
		{deliveryDead, Counter, "{target}", "Targets that became dead letters.", nil, nil},
		{deliveryLeases, Counter, "{change}", "How often shards came to this process or went.", nil, nil},
		{deliveryShards, Gauge, "{shard}", "Of the 64 shards of hosts, those that this process delivers to.", nil, nil},
		{deliveryWaiting, Gauge, "{target}", "The depth of the queue: targets that remain. Beside other processes, of this one's shards and as far " +
			"as they are in memory.", []Attribute{attrClass}, nil},
		{deliveryOldest, Gauge, "s", "For how long the oldest activity in memory has waited.", []Attribute{attrClass}, nil},
		{deliveryInFlight, Gauge, "{post}", "Posts under way.", nil, nil},
		{deliverySlow, Gauge, "{post}", "Of them, those to hosts that are slow or have to prove that they are back.", nil, nil},
		{deliveryLate, Gauge, "{target}", "Targets that are settled and of which the store was not told yet.", nil, nil},
		{deliveryHosts, Gauge, "{host}", "Hosts.", []Attribute{attrHostState}, nil},

		{outboxSaid, Counter, "{activity}", "Activities that were kept to be said.", []Attribute{attrType}, nil},
		{outboxDuration, Histogram, "s", "How long it took to hand an activity over to the queue, once for each pass.", []Attribute{attrHandover}, quick},
		{outboxDelay, Histogram, "s", "How long after it was said, or was to be said, an activity was first handed over.", []Attribute{attrType}, slow},
		{outboxInboxes, Histogram, "{inbox}", "To how many inboxes.", []Attribute{attrType}, many},
		{outboxEnded, Counter, "{activity}", "Activities that do not go out, or not to all.", []Attribute{attrEnded}, nil},

		{inboxRequests, Counter, "{request}", "Requests to inboxes that were answered.", []Attribute{attrStatus, attrReason}, nil},
		{inboxDuration, Histogram, "s", "How long that took.", []Attribute{attrStatus}, quick},
		{inboxKept, Counter, "{activity}", "Activities that the journal was to keep.", []Attribute{attrType, attrSeen}, nil},
		{inboxVerification, Histogram, "s", "How long it took to verify a signature, with the fetch of its key.",
			[]Attribute{attrVerification, attrScheme}, quick},
		{inboxDelay, Histogram, "s", "How long after its receipt an entry first ran.", []Attribute{attrType}, slow},
		{inboxHook, Histogram, "s", "How long an entry ran: its hook, and what else is done about it.", []Attribute{attrType, attrHook}, quick},
		{inboxJournal, Gauge, "{entry}", "The depth of the journal, told by the one process that counts it every ten seconds.",
			[]Attribute{attrJournal}, nil},
		{inboxOldest, Gauge, "s", "For how long the oldest unfinished entry has waited.", nil, nil},

		{keyLookups, Counter, "{lookup}", "Keys that were asked for.", []Attribute{attrKeySource, attrKeyOutcome}, nil},
		{keyDuration, Histogram, "s", "How long it took to get one from its server.", []Attribute{attrKeyOutcome}, quick},

		{mediaRequests, Counter, "{request}", "Pictures of other servers that were asked for.", []Attribute{attrMedia}, nil},
		{mediaBytes, Counter, "By", "What they have in bytes.", []Attribute{attrMedia}, nil},
	}
}

// The names of spans.
const (
	spanSay     = "fedihook.say"
	spanHand    = "fedihook.hand_over"
	spanDeliver = "fedihook.deliver"
	spanReceive = "fedihook.receive"
	spanVerify  = "fedihook.verify"
	spanHook    = "fedihook.hook"
)

// Spans lists all spans. The caller may keep and change the list, not what is in it.
func Spans() []Span {
	return []Span{
		{spanSay, "producer", "the caller's", "An activity is kept to be said: Publish and all other verbs, and what hooks say.",
			[]Attribute{attrType, attrID}},
		{spanHand, "internal", spanSay, "It is handed over to the queue, and to inboxes here.", []Attribute{attrType, attrID, attrInboxes, attrHandover}},
		{spanDeliver, "client", spanSay, "One post of it.", []Attribute{attrID, attrHost, attrAttempt, attrOutcome, attrStatusClass}},
		{spanReceive, "internal", "the request's", "A request to an inbox, until it is answered.", []Attribute{attrStatus, attrReason, attrID}},
		{spanVerify, "internal", spanReceive, "Who signed it is found out.", []Attribute{attrVerification, attrScheme}},
		{spanHook, "consumer", spanReceive, "What came is done with: the hook and all else. Where one hook takes several entries at once " +
			"it is a trace of its own, with a link to each.", []Attribute{attrType, attrID, attrHost, attrAttempt, attrHook, attrBatch}},
	}
}
