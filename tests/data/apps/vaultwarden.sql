-- app: Vaultwarden (password vault)
-- orm: Diesel, Rust
-- remark: chrono writes nanoseconds, which PostgreSQL's timestamp has not: such columns stay text and are told
-- expect: users.uuid text
-- expect: users.created_at text
-- expect: users.password_hash bytea
-- expect: ciphers.deleted_at timestamp without time zone
-- expect: devices.push_uuid text
-- expect: collections_groups.read_only boolean
CREATE TABLE __diesel_schema_migrations (version VARCHAR(50) PRIMARY KEY NOT NULL, run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP);
CREATE TABLE users (uuid TEXT NOT NULL PRIMARY KEY, created_at DATETIME NOT NULL, updated_at DATETIME NOT NULL, email TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL, password_hash BLOB NOT NULL, salt BLOB NOT NULL, password_iterations INTEGER NOT NULL, password_hint TEXT, akey TEXT NOT NULL,
  totp_secret TEXT, security_stamp TEXT NOT NULL, equivalent_domains TEXT NOT NULL, client_kdf_type INTEGER NOT NULL DEFAULT 0, enabled BOOLEAN NOT NULL DEFAULT 1);
CREATE TABLE devices (uuid TEXT NOT NULL, created_at DATETIME NOT NULL, user_uuid TEXT NOT NULL REFERENCES users (uuid), name TEXT NOT NULL,
  atype INTEGER NOT NULL, push_uuid TEXT, refresh_token TEXT NOT NULL, PRIMARY KEY (uuid, user_uuid));
CREATE TABLE ciphers (uuid TEXT NOT NULL PRIMARY KEY, created_at DATETIME NOT NULL, user_uuid TEXT REFERENCES users (uuid), atype INTEGER NOT NULL,
  name TEXT NOT NULL, notes TEXT, data TEXT NOT NULL, password_history TEXT, deleted_at DATETIME, reprompt INTEGER);
CREATE TABLE folders (uuid TEXT NOT NULL PRIMARY KEY, created_at DATETIME NOT NULL, user_uuid TEXT NOT NULL REFERENCES users (uuid), name TEXT NOT NULL);
CREATE TABLE folders_ciphers (cipher_uuid TEXT NOT NULL REFERENCES ciphers (uuid), folder_uuid TEXT NOT NULL REFERENCES folders (uuid), PRIMARY KEY (cipher_uuid, folder_uuid));
CREATE TABLE twofactor (uuid TEXT NOT NULL PRIMARY KEY, user_uuid TEXT NOT NULL REFERENCES users (uuid), atype INTEGER NOT NULL, enabled BOOLEAN NOT NULL,
  data TEXT NOT NULL, last_used INTEGER NOT NULL DEFAULT 0, UNIQUE (user_uuid, atype));
CREATE TABLE collections_groups (collections_uuid TEXT NOT NULL, groups_uuid TEXT NOT NULL, read_only BOOLEAN NOT NULL, hide_passwords BOOLEAN NOT NULL,
  PRIMARY KEY (collections_uuid, groups_uuid));
INSERT INTO __diesel_schema_migrations VALUES ('20180114171611','2024-03-01 10:00:00'),('20180217205753','2024-03-01 10:00:00');
INSERT INTO users VALUES ('0a1b2c3d-0000-4000-8000-000000000001','2024-03-01 10:00:00.123456789','2024-03-01 10:00:01.000000001','ada@example.org','Ada',
  x'9f00ff','x' || '',600000,NULL,'2.abc|def|ghi=',NULL,'5f0e','[]',0,1);
UPDATE users SET salt = x'00112233';
INSERT INTO devices VALUES ('d-1','2024-03-01 10:00:00.5','0a1b2c3d-0000-4000-8000-000000000001','Firefox',10,NULL,'dGVzdA==');
INSERT INTO ciphers VALUES ('c1','2024-03-01 10:00:00.123456789','0a1b2c3d-0000-4000-8000-000000000001',1,'2.name|x=',NULL,'{"uris":null}','[]',NULL,0),
  ('c2','2024-03-01 10:00:00.1','0a1b2c3d-0000-4000-8000-000000000001',2,'2.n|y=','','{}',NULL,'2024-04-01 00:00:00',NULL);
INSERT INTO folders VALUES ('f1','2024-03-01 10:00:00','0a1b2c3d-0000-4000-8000-000000000001','2.folder|z=');
INSERT INTO folders_ciphers VALUES ('c1','f1');
INSERT INTO twofactor VALUES ('t1','0a1b2c3d-0000-4000-8000-000000000001',0,1,'JBSWY3DPEHPK3PXP',57000000);
INSERT INTO collections_groups VALUES ('k1','g1',0,1);
-- following
REPLACE INTO folders_ciphers VALUES ('c2','f1');
UPDATE ciphers SET deleted_at = '2024-05-05 05:05:05.123456', notes = '2.n|secret=' WHERE uuid = 'c1';
REPLACE INTO twofactor VALUES ('t2','0a1b2c3d-0000-4000-8000-000000000001',0,1,'NEW',57000001);
UPDATE users SET updated_at = '2024-05-05 05:05:05.987654321', security_stamp = 'new';
