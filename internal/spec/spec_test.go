package spec_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// sign is what stands before a section.
const sign = "§"

func TestEveryCitedDocumentIsInTheIndex(t *testing.T) {
	t.Parallel()
	index := readIndex(t)
	files, cited := 0, 0
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if base := d.Name(); d.IsDir() && base != ".." && (strings.HasPrefix(base, ".") || base == "node_modules" || base == "testdata") {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(path) != ".go" || d.Name() == "spec_test.go" { // this file cites what does not exist
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		for _, c := range citations(string(text), index) {
			cited++
			if _, ok := index[c.document]; !ok {
				t.Errorf("%s:%d cites %q, which internal/spec/index.txt does not list", strings.TrimPrefix(filepath.ToSlash(path), "../../"), c.line, c.document)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 2 || cited < 10 {
		t.Fatalf("%d citations in %d files: the reader sees nothing", cited, files)
	}
}

func TestTheReaderFindsUnknownDocuments(t *testing.T) {
	t.Parallel()
	index := readIndex(t)
	for _, c := range []struct {
		name, text string
		want       []string // "line document" of what is unknown
	}{
		{"known ones", "// RFC 9421 §2.5, ActivityPub §7.1.2 and draft-cavage-12 §2.3\n// FEP-8b32, NodeInfo 2.1", nil},
		{"a known one split over two lines", "\t// by RFC\n\t// 9421 §2.5, and by ActivityPub\n\t// §7", nil},
		{"more sections of a known one", "// RFC 9110 §5.6.2, §5.6.3 and §10.2.3, or §4–§5; §6", nil},
		{"a name of two words", "// ActivityStreams Vocabulary §4.1", nil},
		{"an RFC", "package p\n\n// see RFC 99999 §1.", []string{"3 RFC 99999"}},
		{"an RFC without a section", "// RFC 99999", []string{"1 RFC 99999"}},
		{"an RFC whose number begins like a known one", "// RFC 94210", []string{"1 RFC 94210"}},
		{"an RFC split over two lines", "//\n// RFC\n// 99999", []string{"2 RFC 99999"}},
		{"a proposal", "// FEP-0000", []string{"1 FEP-0000"}},
		{"a proposal in capitals", "// FEP-8B32", []string{"1 FEP-8B32"}},
		{"a draft", "// draft-nobody-knows-07", []string{"1 draft-nobody-knows-07"}},
		{"another version of a draft", "// draft-cavage-11", []string{"1 draft-cavage-11"}},
		{"another NodeInfo", "// NodeInfo 9.9", []string{"1 NodeInfo 9.9"}},
		{"any name with a section", "// as Some Book §3 says", []string{"1 Some Book"}},
		{"a name that ends like a known one", "// NotActivityPub §3", []string{"1 NotActivityPub"}},
		{"a section of nothing", "§3", []string{"1 (nothing)"}},
		{"a section after a sentence", "// RFC 9421 §2. Then §3", []string{"1 §2. Then"}},
		{"in a string", `t.Error("RFC 99999")`, []string{"1 RFC 99999"}},
		{"in a block comment", "/*\n * see\n * Some Book §3\n */", []string{"3 Some Book"}},
	} {
		var got []string
		for _, f := range citations(c.text, index) {
			if _, ok := index[f.document]; !ok {
				got = append(got, fmt.Sprint(f.line, " ", f.document))
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: unknown are %q, want %q", c.name, got, c.want)
		}
	}
}

func TestTheIndexIsWellFormed(t *testing.T) {
	t.Parallel()
	for name, d := range readIndex(t) {
		if u, err := url.Parse(d.address); err != nil || u.Scheme != "https" || u.Host == "" {
			t.Errorf("%s is at %q, which is not an https address", name, d.address)
		}
		if number, ok := strings.CutPrefix(name, "RFC "); ok && !strings.HasSuffix(d.address, "/rfc"+number) {
			t.Errorf("%s is at %s", name, d.address)
		}
		if id, ok := strings.CutPrefix(name, "FEP-"); ok {
			// A proposal's id is made of its title.
			if sum := sha256.Sum256([]byte(d.title)); hex.EncodeToString(sum[:2]) != id {
				t.Errorf("%s is not called %q", name, d.title)
			}
		}
	}
}

type document struct{ title, address string }

func readIndex(t *testing.T) map[string]document {
	t.Helper()
	text, err := os.ReadFile("index.txt")
	if err != nil {
		t.Fatal(err)
	}
	index := map[string]document{}
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 3 || slices.Contains(f, "") {
			t.Fatalf("index.txt: %q is not a name, a title and an address", line)
		}
		if _, ok := index[f[0]]; ok {
			t.Fatalf("index.txt lists %s twice", f[0])
		}
		index[f[0]] = document{f[1], f[2]}
	}
	return index
}

type citation struct {
	document string
	line     int
}

var (
	margin   = regexp.MustCompile(`^\s*(//+|/\*+|\*+/?)?[ \t]*`)
	families = regexp.MustCompile(`\bRFC \d+|\bFEP-[0-9a-fA-F]{4}\b|\bdraft-[a-z0-9-]+-\d\d\b|\bNodeInfo \d+\.\d+`)
	// more is what may stand between two sections of one document.
	more = regexp.MustCompile(`§[0-9A-Za-z.]*[0-9A-Za-z]\)?(,? and|,? or|,|;|–|-| to)?$`)
)

// citations returns the documents that a file names, in the order of their lines. Those with a section
// are matched to the index by the longest name in it; what fits none is returned as its last two words.
func citations(text string, index map[string]document) (found []citation) {
	// Comments are joined to one line, for a citation may be broken over two.
	var flat strings.Builder
	var starts []int // of each line, in flat
	for line := range strings.Lines(text) {
		starts = append(starts, flat.Len())
		line = strings.TrimRight(line, " \t\r\n")
		flat.WriteString(margin.ReplaceAllString(line, "") + " ")
	}
	all := flat.String()
	lineAt := func(offset int) int {
		i, exact := slices.BinarySearch(starts, offset)
		if exact {
			return i + 1
		}
		return i
	}
	for _, at := range families.FindAllStringIndex(all, -1) {
		found = append(found, citation{all[at[0]:at[1]], lineAt(at[0])})
	}
	for i := 0; ; {
		n := strings.Index(all[i:], sign)
		if n < 0 {
			break
		}
		before := strings.TrimRight(all[:i+n], " "+sign)
		line := lineAt(i + n)
		i += n + len(sign)
		if strings.HasSuffix(all[:i], sign+sign) || more.MatchString(before) {
			continue
		}
		document := ""
		for name := range index {
			if rest, ok := strings.CutSuffix(before, name); ok && len(name) > len(document) &&
				(rest == "" || strings.ContainsAny(rest[len(rest)-1:], " \"`'([{*")) {
				document = name
			}
		}
		if document == "" {
			words := strings.Fields(before)
			document = strings.Join(words[max(0, len(words)-2):], " ")
		}
		if document == "" {
			document = "(nothing)"
		}
		if !families.MatchString(document) { // those were found above
			found = append(found, citation{document, line})
		}
	}
	slices.SortStableFunc(found, func(a, b citation) int { return a.line - b.line })
	return found
}
