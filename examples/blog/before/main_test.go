package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestABlogThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	whole, empty := t.TempDir(), t.TempDir()
	if err := os.CopyFS(whole, samples); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if left, err := os.ReadDir(empty); err != nil || len(left) != 0 {
			t.Errorf("it has left %v, %v", left, err)
		}
	})
	file := filepath.Join(whole, "authors.yaml")
	for name, c := range map[string]struct {
		o    options
		want []string
		not  string
	}{
		"a port in use":                {options{listen: taken.Addr().String()}, []string{taken.Addr().String(), "in use"}, ""},
		"no port":                      {options{listen: "localhost"}, []string{"localhost", "missing port"}, ""},
		"an origin without a scheme":   {options{data: whole, origin: "blog.example"}, []string{"-origin", `"blog.example"`, "https://"}, "Config"},
		"an origin with a path":        {options{data: whole, origin: "https://blog.example/x"}, []string{"-origin", `"https://blog.example/x"`}, "Config"},
		"no folder":                    {options{data: filepath.Join(empty, "none")}, []string{filepath.Join(empty, "none"), "no such file", "posts/*.md"}, ""},
		"a folder without authors":     {options{data: empty}, []string{"-data", empty, "authors.yaml"}, ""},
		"a file for a folder":          {options{data: file}, []string{file, "not a directory"}, ""},
		"a database in no folder":      {options{data: whole, db: filepath.Join(empty, "none", "x.db")}, []string{filepath.Join(empty, "none", "x.db"), "unable to open"}, ""},
		"a folder for a database":      {options{data: whole, db: empty}, []string{empty, "unable to open"}, ""},
		"a PostgreSQL that is away":    {options{data: whole, db: "postgres://me:hush@127.0.0.1:1/x"}, []string{"127.0.0.1:1", "refused"}, "hush"},
		"the same by its other scheme": {options{data: whole, db: "postgresql://me:hush@127.0.0.1:1/x"}, []string{"127.0.0.1:1", "refused"}, "hush"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second) // that of one which runs
			defer cancel()
			if c.o.listen == "" {
				c.o.listen = "127.0.0.1:0"
			}
			err := run(ctx, c.o)
			if err == nil {
				t.Fatal("it ran")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v, without %q", err, want)
				}
			}
			if c.not != "" && strings.Contains(err.Error(), c.not) {
				t.Errorf("%v tells the password", err)
			}
		})
	}
}

func TestAFileOfAnyNameIsADatabase(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"a b.db", "a?b.db", "a%41.db", "a#b.db"} {
		file := filepath.Join(t.TempDir(), name)
		db := openDB(file)
		_, err := db.Exec(usersTables)
		db.Close()
		if _, missing := os.Stat(file); err != nil || missing != nil {
			t.Errorf("%q: %v, %v", name, err, missing)
		}
	}
}
