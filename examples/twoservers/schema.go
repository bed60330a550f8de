package main

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// makeSchemas makes n schemas in a PostgreSQL database and returns the addresses by which each is all that one sees, and what drops
// them again.
func makeSchemas(ctx context.Context, address string, n int) (addresses []string, drop func() error, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, nil, err
	}
	db, err := sql.Open("pgx", address)
	if err != nil {
		return nil, nil, err
	}
	var names []string
	drop = func() error {
		var err error
		for _, name := range names { // also after ctx has ended
			_, e := db.ExecContext(context.WithoutCancel(ctx), `DROP SCHEMA `+name+` CASCADE`)
			err = errors.Join(err, e)
		}
		return errors.Join(err, db.Close())
	}
	run := strings.ToLower(rand.Text()[:12])
	for i := range n {
		name := fmt.Sprintf("twoservers_%s_%d", run, i)
		if _, err := db.ExecContext(ctx, `CREATE SCHEMA `+name); err != nil {
			return nil, nil, errors.Join(err, drop())
		}
		names = append(names, name)
		q := u.Query()
		q.Set("search_path", name)
		u.RawQuery = q.Encode()
		addresses = append(addresses, u.String())
	}
	return addresses, drop, nil
}
