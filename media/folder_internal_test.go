package media

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestWhatIsNoWholeCopyIsNotServed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := &store{files: newFolder(dir), max: 1 << 20, perSite: 1 << 20}
	at := testKey(1, 1)
	path := s.files.(*folder).path(at)
	whole := append(header(testPicture(500, 7), time.Now()), testPicture(500, 7).data...)
	change := func(at int, b byte) []byte { c := bytes.Clone(whole); c[at] = b; return c }
	for name, data := range map[string][]byte{
		"empty": nil, "a part of the header": whole[:20], "the header": whole[:headerSize], "cut": whole[:len(whole)-1], "grown": append(bytes.Clone(whole), 0),
		"another magic": change(0, 'X'), "another format": change(len(magic), 'x'), "another length": change(len(magic)+16, 0x80), "zeros": make([]byte, len(whole)),
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.open(at, time.Now()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: it stays", name)
		}
	}
	if err := s.put(at, testPicture(500, 7), time.Now(), 0); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got[headerSize:], whole[headerSize:]) {
		t.Errorf("a whole one: %v", err)
	}
}

func TestOtherPeoplesFilesStay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	mine := testKey(1, 1)
	old := time.Now().Add(-1000 * time.Hour)
	others := []string{
		"thesis.doc", "photos/2020/cat.jpg", mine.site + "/README", mine.site + "/" + mine.name + ".bak", mine.site + "/" + strings.ToUpper(mine.name),
		mine.site + "x/" + mine.name, mine.name, ".unfinished-symphony", mine.site + "/" + testKey(1, 2).name + "/a directory",
	}
	for _, name := range others {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, 20*block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	s := &store{files: newFolder(dir), max: 8 * block, perSite: 4 * block}
	for i := range 50 {
		if err := s.put(testKey(i%7, 100+i), testPicture(10, 1), time.Now(), 0); err != nil {
			t.Fatal(err)
		}
	}
	if s.total > s.max {
		t.Errorf("%d bytes", s.total)
	}
	for site := range 7 {
		if err := s.purge(testKey(site, 0).site, ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range others {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if s.total != 0 {
		t.Errorf("%d bytes after all was purged", s.total)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 6 { // thesis, photos, site, sitex, name, symphony
		t.Errorf("%v %v", left, err)
	}
}

// TestACrashInTheMiddleOfAWriteLeavesNoHalfPicture kills a process that writes all the time, and looks at what is there.
func TestACrashInTheMiddleOfAWriteLeavesNoHalfPicture(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	written, unfinishedLeft := 0, 0
	for round := range 6 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHelperWriter$")
		cmd.Env = append(os.Environ(), "MEDIA_WRITER="+dir, fmt.Sprint("MEDIA_SEED=", round))
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		line := make([]byte, 64)
		if _, err := out.Read(line); err != nil { // it has begun
			t.Fatal(err)
		}
		time.Sleep(time.Duration(20+7*round) * time.Millisecond)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait()
	}
	s := &store{files: newFolder(dir), max: 1 << 30, perSite: 1 << 30}
	for f, err := range s.files.list("") {
		if err != nil {
			t.Fatal(err)
		}
		h, err := s.open(f.key, time.Now())
		if err != nil {
			t.Errorf("%v is not whole: %v", f.key, err)
			continue
		}
		data := make([]byte, h.size)
		if _, err := h.ReadAt(data, 0); err != nil || newPicture(formatPNG, data).sum != h.sum {
			t.Errorf("%v has other bytes than were written: %v", f.key, err)
		}
		h.Close()
		written++
	}
	// What was left unfinished goes when it is old.
	old := time.Now().Add(-2 * abandonAfter)
	for _, pass := range []string{"age", "look"} {
		matches, err := filepath.Glob(filepath.Join(dir, "*", unfinished+"*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range matches {
			switch pass {
			case "age":
				unfinishedLeft++
				if err := os.Chtimes(path, old, old); err != nil {
					t.Fatal(err)
				}
			default:
				t.Errorf("%s stays", path)
			}
		}
		if _, err := s.count(); err != nil {
			t.Fatal(err)
		}
	}
	if written == 0 {
		t.Error("nothing was written")
	}
	t.Logf("%d whole, %d unfinished", written, unfinishedLeft)
}

// TestTwoProcessesShareAFolder lets two fill it at once, far beyond what it may hold.
func TestTwoProcessesShareAFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const most = 400 * block
	var all sync.WaitGroup
	for seed := range 2 {
		all.Go(func() {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHelperWriter$")
			cmd.Env = append(os.Environ(), "MEDIA_WRITER="+dir, fmt.Sprint("MEDIA_SEED=", seed), fmt.Sprint("MEDIA_MAX=", most), "MEDIA_COUNT=400")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	peak := int64(0)
	for over := false; !over; {
		select {
		case <-done:
			over = true
		case <-time.After(20 * time.Millisecond):
		}
		total := int64(0)
		for f, err := range newFolder(dir).list("") {
			if err != nil {
				t.Fatal(err)
			}
			total += charge(f.size)
		}
		peak = max(peak, total)
	}
	// Each overlooks at most what the other wrote while it wrote a tenth, and one picture.
	if peak > most+2*(most/10+40*block) || peak < most/2 {
		t.Errorf("it grew to %d blocks, and %d are permitted", peak/block, most/block)
	}
	s := &store{files: newFolder(dir), max: most, perSite: most}
	n := 0
	for f, err := range s.files.list("") {
		if err != nil {
			t.Fatal(err)
		}
		h, err := s.open(f.key, time.Now())
		if err != nil {
			t.Errorf("%v: %v", f.key, err)
			continue
		}
		h.Close()
		n++
	}
	t.Logf("%d files, %d blocks at most", n, peak/block)
}

// TestHelperWriter is no test: other tests start it as a process that writes pictures.
func TestHelperWriter(t *testing.T) {
	dir := os.Getenv("MEDIA_WRITER")
	if dir == "" {
		t.Skip("for other tests")
	}
	most, count, seed := int64(1<<30), 1<<30, 0
	fmt.Sscan(os.Getenv("MEDIA_MAX"), &most)
	fmt.Sscan(os.Getenv("MEDIA_COUNT"), &count)
	fmt.Sscan(os.Getenv("MEDIA_SEED"), &seed)
	s := &store{files: newFolder(dir), max: most, perSite: most}
	random := rand.New(rand.NewPCG(1, uint64(seed)))
	fmt.Println("begun")
	for i := range count {
		if err := s.put(testKey(random.IntN(5), random.IntN(300)), testPicture(1+random.IntN(20*block), byte(i)), time.Now(), 0); err != nil {
			t.Fatal(err)
		}
		if h, err := s.open(testKey(random.IntN(5), random.IntN(300)), time.Now()); err == nil {
			h.Close()
		}
	}
}

func TestAFolderThatCannotBeWrittenIsSaid(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f := newFolder(filepath.Join(path, "below"))
	if err := f.check(); err == nil || !strings.Contains(err.Error(), "Config.Dir") {
		t.Errorf("check: %v", err)
	}
	s := &store{files: f, max: 1 << 20, perSite: 1 << 20}
	if err := s.put(testKey(1, 1), testPicture(1, 1), time.Now(), 0); err == nil {
		t.Error("put says nothing")
	}
}
