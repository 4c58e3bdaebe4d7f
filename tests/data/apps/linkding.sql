-- app: linkding (bookmarks)
-- orm: Django, Python
-- expect: bookmarks_bookmark.date_added timestamp without time zone
-- expect: bookmarks_bookmark.unread boolean
-- expect: bookmarks_userprofile.search_preferences json
-- expect: bookmarks_bookmarkasset.file_size bigint
-- expect: auth_user.is_staff boolean
-- expect: bookmarks_bookmark.id bigint
CREATE TABLE "django_migrations" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "app" varchar(255) NOT NULL, "name" varchar(255) NOT NULL, "applied" datetime NOT NULL);
CREATE TABLE "django_content_type" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "app_label" varchar(100) NOT NULL, "model" varchar(100) NOT NULL);
CREATE UNIQUE INDEX "django_content_type_app_label_model_76bd3d3b_uniq" ON "django_content_type" ("app_label", "model");
CREATE TABLE "django_session" ("session_key" varchar(40) NOT NULL PRIMARY KEY, "session_data" text NOT NULL, "expire_date" datetime NOT NULL);
CREATE INDEX "django_session_expire_date_a5c62663" ON "django_session" ("expire_date");
CREATE TABLE "auth_user" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "password" varchar(128) NOT NULL, "last_login" datetime NULL, "is_superuser" bool NOT NULL,
  "username" varchar(150) NOT NULL UNIQUE, "last_name" varchar(150) NOT NULL, "email" varchar(254) NOT NULL, "is_staff" bool NOT NULL, "is_active" bool NOT NULL, "date_joined" datetime NOT NULL, "first_name" varchar(150) NOT NULL);
CREATE TABLE "bookmarks_tag" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(64) NOT NULL, "date_added" datetime NOT NULL, "owner_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "bookmarks_bookmark" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "url" varchar(2048) NOT NULL, "title" varchar(512) NOT NULL, "description" text NOT NULL, "notes" text NOT NULL,
  "unread" bool NOT NULL, "is_archived" bool NOT NULL, "shared" bool NOT NULL, "date_added" datetime NOT NULL, "date_modified" datetime NOT NULL, "date_accessed" datetime NULL,
  "owner_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE INDEX "bookmarks_bookmark_owner_id_8a6f2d4f" ON "bookmarks_bookmark" ("owner_id");
CREATE TABLE "bookmarks_bookmark_tags" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "bookmark_id" integer NOT NULL REFERENCES "bookmarks_bookmark" ("id") DEFERRABLE INITIALLY DEFERRED,
  "tag_id" integer NOT NULL REFERENCES "bookmarks_tag" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE UNIQUE INDEX "bookmarks_bookmark_tags_bookmark_id_tag_id_6b3d_uniq" ON "bookmarks_bookmark_tags" ("bookmark_id", "tag_id");
CREATE TABLE "bookmarks_bookmarkasset" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "date_created" datetime NOT NULL, "file" varchar(2048) NOT NULL, "file_size" integer NULL, "gzip" bool NOT NULL);
CREATE TABLE "bookmarks_userprofile" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "theme" varchar(10) NOT NULL, "user_id" integer NOT NULL UNIQUE REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED,
  "search_preferences" text NOT NULL CHECK ((JSON_VALID("search_preferences") OR "search_preferences" IS NULL)), "items_per_page" integer NOT NULL, "auto_tagging_rules" text NOT NULL);
INSERT INTO django_migrations VALUES (1,'contenttypes','0001_initial','2024-03-01 10:00:00.123456'),(2,'bookmarks','0001_initial','2024-03-01 10:00:00');
INSERT INTO django_content_type VALUES (1,'bookmarks','bookmark'),(2,'auth','user');
INSERT INTO django_session VALUES ('k3j4','eyJhIjoxfQ:1r','2024-03-15 10:00:00.654321');
INSERT INTO auth_user VALUES (1,'pbkdf2_sha256$600000$a$b=','2024-03-01 10:00:00.5',1,'ada','','ada@example.org',1,1,'2024-03-01 10:00:00','');
UPDATE auth_user SET last_login = '2024-03-01 10:00:00.500000';
INSERT INTO bookmarks_tag VALUES (1,'python','2024-03-01 10:00:00.123456',1),(2,'日本','2024-03-01 10:00:00',1);
INSERT INTO bookmarks_bookmark VALUES (1,'https://example.org/?a=1&b=%20','Example','','# Notes',0,0,1,'2024-03-01 10:00:00.000001','2024-03-01 10:00:00',NULL,1),
  (2,'https://sqlite.org/lang.html','','desc','',1,1,0,'2024-03-01 11:00:00','2024-03-01 11:00:00.250000','2024-03-02 11:00:00',1);
INSERT INTO bookmarks_bookmark_tags VALUES (1,1,1),(2,1,2);
INSERT INTO bookmarks_bookmarkasset VALUES (1,'2024-03-01 10:00:00','a.html.gz',12345,1),(2,'2024-03-01 10:00:00.1','',NULL,0);
UPDATE bookmarks_bookmarkasset SET date_created = '2024-03-01 10:00:00.100000';
INSERT INTO bookmarks_userprofile VALUES (1,'auto',1,'{"sort": "added_desc"}',30,'');
-- following
UPDATE bookmarks_bookmark SET unread = 0, date_modified = '2024-05-05 05:05:05.050505' WHERE id = 2;
DELETE FROM bookmarks_bookmark_tags WHERE bookmark_id IN (1);
DELETE FROM bookmarks_bookmark WHERE id IN (1);
INSERT INTO bookmarks_bookmark (url,title,description,notes,unread,is_archived,shared,date_added,date_modified,owner_id) VALUES ('https://new','','','',0,0,0,'2024-05-05 05:05:06','2024-05-05 05:05:06',1) RETURNING id;
REPLACE INTO django_session VALUES ('k3j4','new','2024-06-15 10:00:00');
