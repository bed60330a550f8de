package storage_test

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/fedihook/fedihook/actor"
	"github.com/fedihook/fedihook/storage"
)

func TestOpenFindsOutWhatItIsGiven(t *testing.T) {
	t.Parallel()
	f := newFiles(t)
	s, err := storage.Open(t.Context(), openApp(t, f.app), openSQL(t, f.own))
	if err != nil || s.Missing() != "" {
		t.Errorf("SQLite: %q is missing, %v", s.Missing(), err)
	}
	if _, err := storage.Open(t.Context(), nil, nil); err == nil {
		t.Error("nothing is a database")
	}
	broken := openSQL(t, filepath.Join(t.TempDir(), "none", "x.db"))
	if _, err := storage.Open(t.Context(), broken, broken); err == nil {
		t.Error("a file that can't be opened is a database")
	}
}

func TestNotFoundIsWhatHasNoRows(t *testing.T) {
	t.Parallel()
	other := errors.New("disk on fire")
	if err := storage.NotFound(fmt.Errorf("user: %w", sql.ErrNoRows)); !errors.Is(err, actor.ErrNotFound) || !errors.Is(err, sql.ErrNoRows) {
		t.Errorf("%v", err)
	}
	if err := storage.NotFound(other); err != other {
		t.Errorf("%v", err)
	}
	if err := storage.NotFound(nil); err != nil {
		t.Errorf("%v", err)
	}
}
