package storage_test

import (
	"database/sql"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/fedihook/fedihook/storage"
)

func TestStoresInMemoryAreNamed(t *testing.T) {
	t.Parallel()
	if names := storage.Memory().Volatile(); len(names) != reflect.TypeFor[storage.Storage]().NumField() {
		t.Errorf("of Memory only %q", names)
	}
	var dbs [2]*sql.DB
	for i, name := range []string{"app", "own"} {
		db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		dbs[i] = db
	}
	s, err := storage.OpenSQLite(t.Context(), dbs[0], dbs[1])
	if err != nil {
		t.Fatal(err)
	}
	if names := s.Volatile(); len(names) > 0 {
		t.Errorf("of SQLite %q", names)
	}
	s.Keys = storage.Memory().Keys
	if names := s.Volatile(); len(names) != 1 || names[0] != "Keys" {
		t.Errorf("of a mixture %q", names)
	}
}
