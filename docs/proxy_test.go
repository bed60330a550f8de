package docs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// directive is one of nginx's: its words, and what stands in its braces.
type directive struct {
	words []string
	block []directive
}

// parse reads nginx's grammar as far as the pages use it: words, semicolons, braces.
func parse(t *testing.T, text string) []directive {
	t.Helper()
	var read func() []directive
	tokens := regexp.MustCompile(`[{};]|[^\s{};]+`).FindAllString(text, -1)
	depth := 0
	read = func() (list []directive) {
		var words []string
		for len(tokens) > 0 {
			token := tokens[0]
			tokens = tokens[1:]
			switch token {
			case ";":
				list, words = append(list, directive{words: words}), nil
			case "{":
				depth++
				list, words = append(list, directive{words, read()}), nil
			case "}":
				if depth--; len(words) > 0 || depth < 0 {
					t.Errorf("a brace closes %q", words)
				}
				return list
			default:
				words = append(words, token)
			}
		}
		if len(words) > 0 || depth != 0 {
			t.Errorf("%q and %d braces are open at the end", words, depth)
		}
		return list
	}
	return read()
}

// values are the arguments of directives of one name.
func values(list []directive, name string) (all [][]string) {
	for _, d := range list {
		if d.words[0] == name {
			all = append(all, d.words[1:])
		}
	}
	return all
}

// location finds who answers a path: an exact one, the first pattern that fits, or the longest prefix.
func location(t *testing.T, server []directive, path string) (found directive, ok bool) {
	t.Helper()
	best := ""
	for _, d := range server {
		if d.words[0] != "location" {
			continue
		}
		switch pattern := d.words[len(d.words)-1]; {
		case d.words[1] == "~":
			if regexp.MustCompile(pattern).MatchString(path) {
				return d, true
			}
		case strings.HasPrefix(path, pattern) && len(pattern) > len(best):
			found, best, ok = d, pattern, true
		}
	}
	return found, ok
}

// blocks are the blocks of a page in one language.
func blocks(t *testing.T, page, language string) (list []string) {
	t.Helper()
	for _, f := range read(t, page) {
		if f.language == language {
			list = append(list, f.code)
		}
	}
	if len(list) != 3 {
		t.Fatalf("%s has %d blocks of %s", page, len(list), language)
	}
	return list
}

// signed are fields that signatures cover, and others on which an answer depends; nginx passes them unless it is told otherwise.
var signed = []string{"signature", "signature-input", "digest", "content-digest", "date", "content-type", "accept", "collection-synchronization"}

func TestNginxPassesWhatIsSigned(t *testing.T) {
	t.Parallel()
	for i, text := range blocks(t, "deployment.md", "nginx") {
		top := parse(t, text)
		if len(top) != 1 || top[0].words[0] != "server" {
			t.Fatalf("block %d is no server", i)
		}
		server := top[0].block
		mount := []string{"", "/blog", ""}[i]
		paths := []string{"/.well-known/webfinger", "/.well-known/host-meta"}
		if i < 2 {
			paths = append(paths, "/.well-known/nodeinfo", mount+"/ap/inbox", mount+"/ap/users/anna", mount+"/posts/1")
			if got := values(server, "client_max_body_size"); len(got) != 1 || got[0][0] != "2m" {
				t.Errorf("block %d takes bodies up to %q", i, got)
			}
		}
		for _, path := range paths {
			at, ok := location(t, server, path)
			if !ok {
				t.Errorf("block %d: nobody answers %s", i, path)
				continue
			}
			if i == 2 {
				if got := values(at.block, "return"); len(got) != 1 || strings.Join(got[0], " ") != "301 https://social.example.com$request_uri" {
					t.Errorf("block %d: %s is answered %q", i, path, got)
				}
				continue
			}
			pass := values(at.block, "proxy_pass")
			if len(pass) != 1 {
				t.Errorf("block %d: %s is not passed on", i, path)
				continue
			}
			_, rest, _ := strings.Cut(strings.TrimPrefix(pass[0][0], "http://"), "/")
			strips := strings.HasSuffix(pass[0][0], "/")
			if rest != "" || strips != (mount != "" && at.words[1] == mount+"/") {
				t.Errorf("block %d: %s goes to %s, which changes its path", i, path, pass[0][0])
			}
			set := map[string]string{}
			for _, v := range values(at.block, "proxy_set_header") {
				set[strings.ToLower(v[0])] = v[1]
			}
			if set["host"] != "$http_host" || set["x-forwarded-for"] != "$remote_addr" {
				t.Errorf("block %d: %s goes on with %q", i, path, set)
			}
			for name := range set {
				if slices.Contains(signed, name) {
					t.Errorf("block %d: %s loses its %s", i, path, name)
				}
			}
			for _, name := range []string{"rewrite", "proxy_pass_request_headers", "proxy_pass_request_body", "proxy_set_body", "proxy_method", "proxy_cache"} {
				if len(values(at.block, name)) > 0 {
					t.Errorf("block %d: %s has %s", i, path, name)
				}
			}
		}
	}
}

func TestCaddyPassesWhatIsSigned(t *testing.T) {
	t.Parallel()
	for i, text := range blocks(t, "deployment.md", "caddy") {
		if strings.Count(strings.ReplaceAll(text, "{uri}", ""), "{") != strings.Count(strings.ReplaceAll(text, "{uri}", ""), "}") {
			t.Errorf("block %d has a brace too many", i)
		}
		for _, word := range []string{"header_up", "rewrite", "uri ", "handle_path /.", "method"} {
			if strings.Contains(text, word) {
				t.Errorf("block %d has %q", i, word)
			}
		}
		if i > 0 {
			found := strings.Contains(text, "@found path /.well-known/webfinger /.well-known/host-meta")
			if !found || strings.Contains(text, "/.well-known/nodeinfo") != (i == 1) {
				t.Errorf("block %d does not pass on what is asked for at the root", i)
			}
		}
		if passes := strings.Count(text, "reverse_proxy 127.0.0.1:8080"); passes != []int{1, 2, 0}[i] {
			t.Errorf("block %d passes on %d times", i, passes)
		}
	}
}

// TestTheProxiesReadTheirBlocks asks those that are installed.
func TestTheProxiesReadTheirBlocks(t *testing.T) {
	t.Parallel()
	asked := false
	if nginx, err := exec.LookPath("nginx"); err == nil {
		asked = true
		for i, text := range blocks(t, "deployment.md", "nginx") {
			dir := t.TempDir()
			text = regexp.MustCompile(`(?m)^ *ssl_.*\n`).ReplaceAllString(text, "") // there are no certificates here
			text = strings.ReplaceAll(text, "listen 443 ssl", "listen 127.0.0.1:8443")
			file := filepath.Join(dir, "nginx.conf")
			temp := ""
			for _, of := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
				temp += of + "_temp_path " + dir + "/" + of + ";\n"
			}
			whole := "pid " + dir + "/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n" + temp + text + "}\n"
			if err := os.WriteFile(file, []byte(whole), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), nginx, "-t", "-p", dir, "-c", file).CombinedOutput(); err != nil {
				t.Errorf("nginx does not take block %d: %s", i, out)
			}
		}
	}
	if caddy, err := exec.LookPath("caddy"); err == nil {
		asked = true
		for i, text := range blocks(t, "deployment.md", "caddy") {
			file := filepath.Join(t.TempDir(), "Caddyfile")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), caddy, "adapt", "--config", file).CombinedOutput(); err != nil {
				t.Errorf("caddy does not take block %d: %s", i, out)
			}
		}
	}
	if !asked {
		t.Skip("neither nginx nor caddy is installed")
	}
}
