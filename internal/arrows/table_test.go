package arrows_test

// module is this module's path. Packages are named below by their folder; the root is ".".
const module = "github.com/fedihook/fedihook"

// rooms says which of our packages the code of each package may import. Packages that are not here
// may not exist. A name that ends in "/..." stands for every package under a folder; the longest name
// that fits a package counts. On the right, "..." stands for every package of ours, and "exported" for
// every one that an app could import too. Everyone may import its own folder's sub-packages if its own row has a "/...".
var rooms = map[string][]string{
	"activity":   {},
	"signature":  {},
	"moderation": {},
	"consent":    {"activity"},
	"delivery":   {"internal/safehttp"},
	"media":      {"internal/safehttp"},
	"actor":      {"activity", "signature", "moderation", "internal/safehttp"},
	"inbox":      {"activity", "signature", "moderation", "consent"},
	"outbox":     {"activity", "moderation"},

	"storage/queue": {"delivery", "internal/sqldb", "internal/pgdb"},
	"storage": {"activity", "signature", "moderation", "consent", "delivery", "media", "actor", "inbox", "outbox",
		"storage/queue", "internal/sqldb", "internal/pgdb"},

	"telemetry": {"signature", "moderation", "delivery", "media", "actor", "inbox", "outbox"},

	".":            {"exported", "internal/safehttp"},
	"examples/...": {"exported"},

	// The blog without the façade.
	"examples/toolkit": {"activity", "activity/html", "signature", "moderation", "delivery", "media", "actor", "inbox", "outbox", "storage"},

	"activity/html":   {"activity"},
	"actor/check":     {"activity", "signature", "actor", "internal/safehttp"},
	"signature/ldsig": {"signature"},

	"inbox/inboxtest": {"activity", "signature", "signature/ldsig", "inbox"},
	"storage/storagetest": {"activity", "signature", "moderation", "consent", "delivery", "media", "actor", "inbox", "outbox",
		"storage", "storage/queue"},
	"interop/...": {"..."},

	"docs": {},

	"internal/safehttp":              {},
	"internal/safehttp/safehttptest": {"internal/safehttp"},
	"internal/sqldb":                 {},
	"internal/pgdb":                  {},
	"internal/pgdb/pgtest":           {},
	"internal/threadslike":           {},
	"internal/lemmylike":             {},
	"internal/gtslike":               {},
	"internal/arrows":                {},
	"internal/spec":                  {},
	"internal/bench/...":             {"..."},
}

// alone are packages that import nothing but the standard library, not even in tests: a double of another server can
// disagree with us only as long as it shares no code with us.
var alone = []string{"internal/threadslike", "internal/lemmylike", "internal/gtslike"}

// Tests may import any package of ours but these: a room's test that needs the façade, an example or a
// foreign server belongs with them.
var notInTests = []string{".", "examples/...", "interop/..."}

// libraries says which of our packages may import another module's packages: a library that has one
// importer can be replaced in one place. Libraries that are not here serve any room. Tests are free.
var libraries = map[string][]string{
	"github.com/go-ap":                   {"activity", "examples/goap"},
	"github.com/go-fed/httpsig":          {"signature"},
	"github.com/dunglas/httpsfv":         {"signature"},
	"github.com/microcosm-cc/bluemonday": {"activity/html"},
	"github.com/piprate/json-gold":       {"signature/ldsig"},
	"golang.org/x/image":                 {"media"},
	"go.opentelemetry.io":                {"telemetry"},
	"modernc.org":                        drivers,
	"github.com/jackc/pgx":               drivers,
	"github.com/lib/pq":                  drivers,
	"github.com/mattn/go-sqlite3":        drivers,
	"github.com/ncruces/go-sqlite3":      drivers,
}

// drivers of databases are the app's choice.
var drivers = []string{"examples/...", "interop/...", "internal/bench/...", "internal/pgdb/pgtest"}

// dialing names what would reach a stranger's server without internal/safehttp's checks. Tests, examples
// and interop talk to themselves and may.
var dialing = map[string][]string{
	"net/http":   {"DefaultClient", "DefaultTransport", "Get", "Head", "Post", "PostForm", "ProxyFromEnvironment"},
	"net":        {"Dial", "DialTimeout", "DialTCP", "DialUDP", "DialIP", "DialUnix", "Dialer"},
	"crypto/tls": {"Dial", "DialWithDialer", "Dialer"},
}

var mayDial = []string{"internal/safehttp", "internal/bench/...", "examples/...", "interop/..."}

// lean are examples of one room alone, and what their users would be surprised to have compiled in.
var lean = []string{"examples/queue", "examples/signing"}

var notLean = []string{
	module + "/activity",
	"github.com/go-ap",
	"github.com/microcosm-cc/bluemonday",
	"github.com/piprate/json-gold",
}
