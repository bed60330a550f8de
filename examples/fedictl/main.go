// Fedictl looks at the fediverse from outside: it finds actors, asks servers what they say of themselves, and tells which
// peers would refuse an actor and by which rule. It runs without a server and keeps nothing.
//
//	fedictl lookup @alice@blog.example        who that is, as a peer finds it: WebFinger, actor, and back
//	fedictl lookup https://blog.example/@alice
//	fedictl webfinger @alice@blog.example     what WebFinger answers, unchecked
//	fedictl nodeinfo blog.example             what the server says of itself
//	fedictl actor check @alice@blog.example   which peers would refuse this actor or its server, and why
//	fedictl actor check https://blog.example/ap/users/alice
//	fedictl actor check alice.json            the document alone, from a file or, with - or nothing, from standard input
//	fedictl actor rules                       all rules of the check, with who goes by each
//	fedictl activity check like.json          at what peers stumble in an activity or an object
//
// Output is a tree; with -json it is one JSON object. Flags may stand before and after the command:
//
//	-json                  JSON instead of a tree
//	-timeout 10s           how long one request may take
//	-key FILE              sign requests for actors with the private key in this PEM file, and
//	-key-id URL            name it so: other servers fetch its public half from there
//	-insecure-allow-loopback a.test=127.0.0.1:8080
//	                       reach this host there, by http; for tests, and may be repeated
//
// Nothing is signed without -key. Threads and GoToSocial show actors to signed requests alone, and so do servers in
// secure mode: Threads answers 404, as if nobody were there. The key must be one that a server of yours shows at its
// id, such as its instance actor's; otherwise nobody can verify what was signed with it.
//
// "actor check" of a handle or URL makes some 15 requests, all of them GETs and some in the name of Threads' crawlers. It
// looks at the document, at WebFinger from the handle to the actor and back, at Content-Types, at the answers to the
// Accepts that peers send, at the server's clock, at the URL of the key, at NodeInfo, and at what Threads wants a
// server to publish: that a privacy policy, an age rule and a public feed are named in NodeInfo's metadata
// (privacyPolicyUrl, minimumAge and publicFeedUrl) and can be read. What they say, a person has to read.
//
// The exit status is 0 if all is well, 1 if something was found or nobody was, 2 if the command line is wrong.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/actor/check"
	"github.com/fedihook/fedihook/signature"
)

const usage = `usage: fedictl [flags] lookup @user@host|URL
       fedictl [flags] webfinger @user@host
       fedictl [flags] nodeinfo HOST
       fedictl [flags] actor check [@user@host|URL|FILE|-]
       fedictl [flags] actor rules
       fedictl [flags] activity check [FILE|-]

flags:
`

const userAgent = "fedictl (+https://github.com/fedihook/fedihook)"

// The exit statuses.
const (
	fine  = 0
	found = 1
	wrong = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// tool is one run of the program.
type tool struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	json         bool
	timeout      time.Duration
	keyFile, id  string
	loopback     map[string]string
	key          func(context.Context) (signature.Key, error) // nil: nothing is signed
	flags        *flag.FlagSet
	commandWords []string
}

// errUsage is a command line that says nothing.
type errUsage struct{ text string }

func (e *errUsage) Error() string { return e.text }

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	t := &tool{stdin: stdin, stdout: stdout, stderr: stderr, loopback: make(map[string]string)}
	err := t.parse(args)
	if err == nil {
		var status int
		if status, err = t.command(ctx); err == nil {
			return status
		}
	}
	var bad *errUsage
	switch {
	case errors.Is(err, flag.ErrHelp):
		t.help(stdout)
		return fine
	case errors.As(err, &bad):
		fmt.Fprintf(stderr, "fedictl: %s\n", clean(bad.text))
		t.help(stderr)
		return wrong
	}
	fmt.Fprintf(stderr, "fedictl: %s\n", clean(t.explain(err)))
	return found
}

func (t *tool) help(w io.Writer) {
	fmt.Fprint(w, usage)
	t.flags.SetOutput(w)
	t.flags.PrintDefaults()
}

// parse reads flags from between the words.
func (t *tool) parse(args []string) error {
	t.flags = flag.NewFlagSet("fedictl", flag.ContinueOnError)
	t.flags.SetOutput(io.Discard)
	t.flags.Usage = func() {}
	t.flags.BoolVar(&t.json, "json", false, "write JSON instead of a tree")
	t.flags.DurationVar(&t.timeout, "timeout", 10*time.Second, "how long one request may take")
	t.flags.StringVar(&t.keyFile, "key", "", "sign requests for actors with the private key in this PEM `file`")
	t.flags.StringVar(&t.id, "key-id", "", "the `URL` at which others find that key's public half")
	t.flags.Func("insecure-allow-loopback", "reach a host on loopback, by http, as `a.test=127.0.0.1:8080`; for tests", func(text string) error {
		host, address, ok := strings.Cut(text, "=")
		if !ok || host == "" || address == "" {
			return errors.New("must be host=address")
		}
		t.loopback[host] = address
		return nil
	})
	for {
		if err := t.flags.Parse(args); errors.Is(err, flag.ErrHelp) {
			return err
		} else if err != nil {
			return &errUsage{err.Error()}
		}
		if t.flags.NArg() == 0 {
			break
		}
		t.commandWords, args = append(t.commandWords, t.flags.Arg(0)), t.flags.Args()[1:]
	}
	if t.timeout <= 0 {
		return &errUsage{"-timeout must be positive"}
	}
	return t.readKey()
}

func (t *tool) readKey() error {
	switch {
	case t.keyFile == "" && t.id == "":
		return nil
	case t.keyFile == "" || t.id == "":
		return &errUsage{"-key and -key-id need each other"}
	}
	text, err := os.ReadFile(t.keyFile)
	if err != nil {
		return &errUsage{"-key: " + err.Error()}
	}
	private, err := signature.ParsePrivateKey(string(text))
	if err != nil {
		return &errUsage{"-key " + t.keyFile + ": " + err.Error()}
	}
	k := signature.Key{ID: t.id, Private: private}
	t.key = func(context.Context) (signature.Key, error) { return k, nil }
	return nil
}

// command does what the words say.
func (t *tool) command(ctx context.Context) (status int, err error) {
	words := t.commandWords
	name, rest := "", words
	if len(words) > 0 {
		name, rest = words[0], words[1:]
	}
	if (name == "actor" || name == "activity") && len(rest) > 0 {
		name, rest = name+" "+rest[0], rest[1:]
	}
	commands := map[string]struct {
		least, most int // arguments
		do          func(context.Context, string) (int, error)
	}{
		"lookup":         {1, 1, t.lookup},
		"webfinger":      {1, 1, t.webFinger},
		"nodeinfo":       {1, 1, t.nodeInfo},
		"actor check":    {0, 1, t.checkActor},
		"actor rules":    {0, 0, t.rules},
		"activity check": {0, 1, t.checkActivity},
	}
	c, ok := commands[name]
	switch {
	case len(words) == 0:
		return 0, &errUsage{"say what to do"}
	case name == "actor":
		return 0, &errUsage{"actor: check or rules?"}
	case name == "activity":
		return 0, &errUsage{"activity: check is all that there is"}
	case !ok:
		return 0, &errUsage{fmt.Sprintf("there is no command %q", name)}
	case len(rest) < c.least:
		return 0, &errUsage{name + ": of whom?"}
	case len(rest) > c.most:
		return 0, &errUsage{fmt.Sprintf("%s: %q is too much", name, rest[c.most])}
	}
	argument := ""
	if len(rest) > 0 {
		argument = rest[0]
	}
	return c.do(ctx, argument)
}

// resolver is for lookups.
func (t *tool) resolver() (*actor.Resolver, error) {
	c := actor.ResolverConfig{Key: t.key, UserAgent: userAgent, Timeout: t.timeout, InsecureAllowLoopback: t.loopback}
	if len(t.loopback) > 0 {
		c.Names.Origin = "http://fedictl.invalid" // hosts on loopback are asked by the scheme of this
	}
	r, err := actor.NewResolver(c)
	if err != nil {
		return nil, &errUsage{err.Error()}
	}
	return r, nil
}

func (t *tool) checker() (*check.Checker, error) {
	c, err := check.New(check.Config{Key: t.key, UserAgent: userAgent, Timeout: t.timeout, InsecureAllowLoopback: t.loopback})
	if err != nil {
		return nil, &errUsage{err.Error()}
	}
	return c, nil
}
