package storage

import (
	"context"
	"database/sql"

	"github.com/fedihook/fedihook/internal/pgdb"
)

// OpenPostgresSocial opens the stores of who knows whom and who may talk to whom.
func OpenPostgresSocial(ctx context.Context, db *sql.DB) (Storage, error) {
	for _, room := range []struct {
		name  string
		steps []string
	}{
		{"followers", postgresFollowersTables},
		{"keys", postgresKeysTables},
		{"remotes", postgresRemotesTables},
		{"rules", postgresRulesTables},
		{"relays", postgresRelaysTables},
		{"forwards", postgresForwardsTables},
		{"moves", postgresMovesTables},
		{"stamps", postgresStampsTables},
	} {
		if err := pgdb.Migrate(ctx, db, room.name, room.steps); err != nil {
			return Storage{}, err
		}
	}
	return Storage{
		Followers: &postgresFollowers{db: db}, Keys: &postgresKeys{db: db}, Remotes: &postgresRemotes{db: db},
		Relays: &postgresRelays{db: db}, Forwards: &postgresForwards{db: db}, Moves: &postgresMoves{db: db},
		Stamps: &postgresStamps{db: db}, Rules: &postgresRules{db: db}, Hosts: &postgresHosts{db: db},
	}, nil
}
