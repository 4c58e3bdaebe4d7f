-- app: PocketBase (backend)
-- orm: PocketBase (dbx), Go
-- remark: dates and selections are TEXT and JSON by declaration; empty dates are empty texts
-- expect: users.verified boolean
-- expect: posts.tags json
-- expect: posts.price numeric
-- expect: posts.created text
-- expect: _collections.system boolean
CREATE TABLE `_migrations` (file VARCHAR(255) PRIMARY KEY NOT NULL, applied INTEGER NOT NULL);
CREATE TABLE `_params` (`id` TEXT PRIMARY KEY DEFAULT ('r'||lower(hex(randomblob(7)))) NOT NULL, `value` JSON DEFAULT NULL, `created` TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%fZ')) NOT NULL, `updated` TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%fZ')) NOT NULL);
CREATE TABLE `_collections` (`id` TEXT PRIMARY KEY DEFAULT ('r'||lower(hex(randomblob(7)))) NOT NULL, `system` BOOLEAN DEFAULT FALSE NOT NULL, `type` TEXT DEFAULT "base" NOT NULL, `name` TEXT UNIQUE NOT NULL, `fields` JSON DEFAULT "[]" NOT NULL, `indexes` JSON DEFAULT "[]" NOT NULL, `listRule` TEXT DEFAULT NULL, `options` JSON DEFAULT "{}" NOT NULL, `created` TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%fZ')) NOT NULL);
CREATE INDEX idx__collections_type on `_collections` (`type`);
CREATE TABLE `users` (`avatar` TEXT DEFAULT '' NOT NULL, `created` TEXT DEFAULT '' NOT NULL, `email` TEXT DEFAULT '' NOT NULL, `emailVisibility` BOOLEAN DEFAULT FALSE NOT NULL, `id` TEXT PRIMARY KEY DEFAULT ('r'||lower(hex(randomblob(7)))) NOT NULL, `password` TEXT DEFAULT '' NOT NULL, `tokenKey` TEXT DEFAULT '' NOT NULL, `verified` BOOLEAN DEFAULT FALSE NOT NULL);
CREATE UNIQUE INDEX `idx_tokenKey__pb_users_auth_` ON `users` (`tokenKey`);
CREATE UNIQUE INDEX `idx_email__pb_users_auth_` ON `users` (`email`) WHERE `email` != '';
CREATE TABLE `posts` (`author` TEXT DEFAULT '' NOT NULL, `created` TEXT DEFAULT '' NOT NULL, `id` TEXT PRIMARY KEY DEFAULT ('r'||lower(hex(randomblob(7)))) NOT NULL, `price` NUMERIC DEFAULT 0 NOT NULL, `publish` TEXT DEFAULT '' NOT NULL, `tags` JSON DEFAULT '[]' NOT NULL, `title` TEXT DEFAULT '' NOT NULL, `views` NUMERIC DEFAULT 0 NOT NULL);
CREATE VIEW `post_counts` AS SELECT author AS id, count(*) AS n FROM posts GROUP BY author;
CREATE TABLE `_externalAuths` (`collectionRef` TEXT DEFAULT '' NOT NULL, `id` TEXT PRIMARY KEY NOT NULL, `provider` TEXT DEFAULT '' NOT NULL, `providerId` TEXT DEFAULT '' NOT NULL);
CREATE UNIQUE INDEX `idx_externalAuths_record_provider` ON `_externalAuths` (collectionRef, providerId, provider);
INSERT INTO _migrations VALUES ('1640988000_init.go',1709290000123456);
INSERT INTO _params VALUES ('settings','{"meta":{"appName":"Acme"}}','2024-03-01 10:00:00.123Z','2024-03-01 10:00:00.123Z');
INSERT INTO _collections VALUES ('_pb_users_auth_',0,'auth','users','[{"name":"id","max":15}]','[]',NULL,'{}','2024-03-01 10:00:00.123Z'),('c2',1,'base','posts','[]','["CREATE INDEX x ON posts (title)"]','','{}','2024-03-01 10:00:00.124Z');
INSERT INTO users VALUES ('','2024-03-01 10:00:00.123Z','ada@example.org',0,'u1','$2a$10$x','tk1',1),('a.png','2024-03-01 10:00:00.124Z','',1,'u2','','tk2',0),('','2024-03-01 10:00:00.125Z','',1,'u3','','tk3',0);
INSERT INTO posts VALUES ('u1','2024-03-01 10:00:00.200Z','p1',12.5,'','["a","b"]','Hello',3),('u1','2024-03-01 10:00:00.201Z','p2',0,'2024-12-24 00:00:00.000Z','[]','',0);
INSERT INTO _externalAuths VALUES ('_pb_users_auth_','e1','github','12345');
-- following
UPDATE posts SET views = views + 1, tags = '["c"]', price = 0.1 WHERE id = 'p2';
INSERT INTO posts (author, created, id, title) VALUES ('u2', '2024-05-01 00:00:00.000Z', 'p3', 'Neu');
UPDATE users SET email = 'bob@example.org', verified = TRUE WHERE id = 'u2';
DELETE FROM users WHERE id = 'u3';
