package media

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// both runs a test on either kind of files.
func both(t *testing.T, f func(t *testing.T, on files)) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) files{
		"memory": func(*testing.T) files { return newShelf() },
		"folder": func(t *testing.T) files { return newFolder(filepath.Join(t.TempDir(), "made", "on", "use")) },
	} {
		t.Run(name, func(t *testing.T) { t.Parallel(); f(t, open(t)) })
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
