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
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// both runs a test on either kind of files.
func both(t *testing.T, f func(t *testing.T, on files)) {
	t.Parallel()
	for name, make := range map[string]func(t *testing.T) files{
		"memory": func(*testing.T) files { return newShelf() },
		"folder": func(t *testing.T) files { return newFolder(filepath.Join(t.TempDir(), "made", "on", "use")) },
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); f(t, make(t)) })
	}
}

func testKey(site, file int) key {
	return key{site2dir(fmt.Sprint(site)), hash(fmt.Sprint(file)) + "-" + hash("x")[:8]}
}

func testPicture(n int, fill byte) picture {
	return newPicture(formatPNG, bytes.Repeat([]byte{fill}, n))
}

func TestAPictureIsKeptAsItIs(t *testing.T) {
	both(t, func(t *testing.T, on files) {
		s := &store{files: on, max: 1 << 20, perSite: 1 << 20}
		at, want, now := testKey(1, 1), testPicture(5000, 7), time.Now()
		if _, err := s.open(at, now); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("before: %v", err)
		}
		if err := s.put(at, want, now, 0); err != nil {
			t.Fatal(err)
		}
		got, err := s.open(at, now)
		if err != nil {
			t.Fatal(err)
		}
		defer got.Close()
		data := make([]byte, got.size)
		if _, err := got.reader().Read(data); err != nil || !bytes.Equal(data, want.data) || got.sum != want.sum || got.format != formatPNG ||
			got.fetched.Unix() != now.Unix() {
			t.Errorf("%v %+v", err, got)
		}
		if got.etag() != want.held(now).etag() {
			t.Errorf("%s and %s", got.etag(), want.held(now).etag())
		}
		if err := on.check(); err != nil {
			t.Error(err)
		}
	})
}

// TestTheBoundsHoldAndTheLeastUsedGoes lets a random town of sites come and go, and compares the store with a list of what was used when.
func TestTheBoundsHoldAndTheLeastUsedGoes(t *testing.T) {
	both(t, func(t *testing.T, on files) {
		synctest.Test(t, func(t *testing.T) {
			const most, perSite = 200 * block, 60 * block
			s := &store{files: on, max: most, perSite: perSite}
			random := rand.New(rand.NewPCG(4, 2))
			type entry struct {
				size int64
				used time.Time
			}
			model := map[key]entry{}
			have := func() (map[key]entry, int64, map[string]int64) {
				all, total, sites := map[key]entry{}, int64(0), map[string]int64{}
				for f, err := range on.list("") {
					if err != nil {
						t.Fatal(err)
					}
					all[f.key] = entry{charge(f.size), f.used}
					total += charge(f.size)
					sites[f.key.site] += charge(f.size)
				}
				return all, total, sites
			}
			evicted, refused := 0, 0
			steps := 3000
			if _, ok := on.(*folder); ok {
				steps = 500 // each of which waits for the disk
			}
			for step := range steps {
				time.Sleep(11 * time.Minute)
				now := time.Now()
				site := min(random.IntN(12), random.IntN(12)) // the first are greedy
				at := testKey(site, random.IntN(60))
				if random.IntN(3) == 0 {
					h, err := s.open(at, now)
					if _, ok := model[at]; ok != (err == nil) {
						t.Fatalf("step %d: %v is in the model: %v; in the store: %v", step, at, ok, err)
					}
					if err == nil {
						h.Close()
						model[at] = entry{model[at].size, now}
					}
					continue
				}
				n := 1 + random.IntN(5*block)
				if random.IntN(50) == 0 {
					n = perSite
				}
				size := charge(int64(n + headerSize))
				err := s.put(at, testPicture(n, byte(step)), now, 0)
				if size > perSite {
					if refused++; !errors.Is(err, errNoRoom) {
						t.Fatalf("step %d: a picture larger than its host's share: %v", step, err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				model[at] = entry{size, now}
				all, total, sites := have()
				if total > most {
					t.Fatalf("step %d: %d bytes, more than %d", step, total, most)
				}
				if s.total != total {
					t.Fatalf("step %d: %d bytes, counted as %d", step, total, s.total)
				}
				for site, n := range sites {
					if n > perSite || n != s.sites[site] {
						t.Fatalf("step %d: a site has %d bytes, counted as %d", step, n, s.sites[site])
					}
				}
				if _, ok := all[at]; !ok {
					t.Fatalf("step %d: what was put is not there", step)
				}
				// What went was used before all that stayed, of its site or of all; and not more went than an eighth and what came in.
				var gone []key
				lost := int64(0)
				for k, e := range model {
					if _, ok := all[k]; !ok {
						gone, lost = append(gone, k), lost+e.size
					}
				}
				ofSite := !slices.ContainsFunc(gone, func(k key) bool { return k.site != at.site })
				for _, k := range gone {
					for kept, e := range all {
						if kept != at && e.used.Before(model[k].used) && (!ofSite || kept.site == at.site) {
							t.Fatalf("step %d: what was used at %v went and what was used at %v stayed", step, model[k].used, e.used)
						}
					}
				}
				if lost > most/8+perSite/8+2*size+10*block {
					t.Fatalf("step %d: %d bytes went for %d", step, lost, size)
				}
				for _, k := range gone {
					delete(model, k)
					evicted++
				}
				for k, e := range all {
					if m, ok := model[k]; !ok || m.size != e.size || m.used.Unix() != e.used.Unix() {
						t.Fatalf("step %d: %v is %+v, and in the model %+v", step, k, e, m)
					}
				}
			}
			if evicted < steps/10 || refused < steps/300 {
				t.Errorf("%d went and %d were refused: too few to tell", evicted, refused)
			}
		})
	})
}

func TestOneHostCannotPushOutTheRest(t *testing.T) {
	both(t, func(t *testing.T, on files) {
		s := &store{files: on, max: 100 * block, perSite: 10 * block}
		for site := range 9 {
			for file := range 9 {
				if err := s.put(testKey(site, file), testPicture(100, 1), time.Now(), 0); err != nil {
					t.Fatal(err)
				}
			}
		}
		for file := range 200 {
			if err := s.put(testKey(99, file), testPicture(100, 1), time.Now(), 0); err != nil {
				t.Fatal(err)
			}
		}
		for site := range 9 {
			for file := range 9 {
				h, err := s.open(testKey(site, file), time.Now())
				if err != nil {
					t.Fatalf("the pictures of one host pushed out another's: %v", err)
				}
				h.Close()
			}
		}
	})
}

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
