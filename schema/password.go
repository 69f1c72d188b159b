package schema

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/text/secure/precis"
)

type newPassword struct{ role, statement string }

// newPasswords returns the passwords that the server does not let in: nobody may read them.
func newPasswords(ctx context.Context, config *connConfig, passwords map[string]string) (lacking []newPassword, err error) {
	for _, role := range slices.Sorted(maps.Keys(passwords)) {
		if passwords[role] == "" {
			continue
		}
		as := config.Copy()
		as.User, as.Password = role, passwords[role]
		conn, err := pgx.ConnectConfig(ctx, as)
		if err == nil {
			_ = conn.Close(ctx)
			continue
		}
		if _, refused := errors.AsType[*pgconn.PgError](err); !refused {
			return nil, fmt.Errorf("try the password of %s: %w", role, err)
		}
		verifier, err := scramVerifier(passwords[role])
		if err != nil {
			return nil, fmt.Errorf("make a verifier of the password of %s: %w", role, err)
		}
		lacking = append(lacking, newPassword{role, "ALTER ROLE " + pgx.Identifier{role}.Sanitize() + " PASSWORD '" + verifier + "'"})
	}
	return lacking, nil
}

// scramVerifier is what PostgreSQL keeps of a password (RFC 5802, 7677), made as psql's \password
// does: the password itself reaches neither the server nor its log.
func scramVerifier(password string) (string, error) {
	const iterations, saltLength = 4096, 16 // PostgreSQL's own
	if prepared, err := precis.OpaqueString.String(password); err == nil {
		password = prepared // otherwise it counts as it is, as in every client
	}
	salt := make([]byte, saltLength)
	_, _ = rand.Read(salt) // never fails
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		return "", err
	}
	clientKey := mac(salted, "Client Key")
	storedKey := sha256.Sum256(clientKey)
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, encode(salt), encode(storedKey[:]), encode(mac(salted, "Server Key"))), nil
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
