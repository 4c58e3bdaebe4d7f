-- app: Wagtail (CMS)
-- orm: Django, Python
-- expect: wagtailcore_page.live boolean
-- expect: wagtailcore_page.translation_key uuid
-- expect: wagtailcore_revision.content json
-- expect: wagtailcore_page.first_published_at timestamp without time zone
-- expect: shop_order.total numeric
-- expect: shop_order.day date
-- expect: shop_order.took bigint
CREATE TABLE "django_migrations" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "app" varchar(255) NOT NULL, "name" varchar(255) NOT NULL, "applied" datetime NOT NULL);
CREATE TABLE "wagtailcore_locale" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "language_code" varchar(100) NOT NULL UNIQUE);
CREATE TABLE "wagtailcore_page" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "path" varchar(255) NOT NULL COLLATE NOCASE UNIQUE, "depth" integer unsigned NOT NULL CHECK ("depth" >= 0),
  "numchild" integer unsigned NOT NULL CHECK ("numchild" >= 0), "title" varchar(255) NOT NULL, "slug" varchar(255) NOT NULL, "live" bool NOT NULL, "seo_title" varchar(255) NOT NULL,
  "translation_key" char(32) NOT NULL, "locale_id" integer NOT NULL REFERENCES "wagtailcore_locale" ("id") DEFERRABLE INITIALLY DEFERRED,
  "first_published_at" datetime NULL, "go_live_at" datetime NULL, CONSTRAINT "wagtailcore_page_translation_key_locale_id_uniq" UNIQUE ("translation_key", "locale_id"));
CREATE INDEX "wagtailcore_page_slug_e7c11b8f" ON "wagtailcore_page" ("slug");
CREATE INDEX "wagtailcore_page_first_published_at_2b5dd637" ON "wagtailcore_page" ("first_published_at");
CREATE TABLE "wagtailcore_revision" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "created_at" datetime NOT NULL, "content" text NOT NULL CHECK ((JSON_VALID("content") OR "content" IS NULL)), "object_id" varchar(255) NOT NULL, "object_str" text NOT NULL);
CREATE INDEX "base_content_object_idx" ON "wagtailcore_revision" ("object_id");
CREATE TABLE "wagtailimages_image" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "title" varchar(255) NOT NULL, "file" varchar(100) NOT NULL, "width" integer NOT NULL,
  "focal_point_x" integer NULL, "file_size" integer unsigned NULL CHECK ("file_size" >= 0), "file_hash" varchar(40) NOT NULL);
CREATE TABLE "shop_order" ("id" char(32) NOT NULL PRIMARY KEY, "total" decimal NOT NULL, "day" date NOT NULL, "at" time NULL, "took" bigint NOT NULL, "ip" char(39) NULL, "rate" real NOT NULL, "payload" BLOB NOT NULL);
CREATE TABLE "wagtailsearch_indexentry" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "object_id" varchar(50) NOT NULL, "title_norm" real NOT NULL, "title" text NOT NULL, "body" text NOT NULL);
INSERT INTO django_migrations VALUES (1,'wagtailcore','0001_initial','2024-03-01 10:00:00.123456');
INSERT INTO wagtailcore_locale VALUES (1,'en'),(2,'de');
INSERT INTO wagtailcore_page VALUES (1,'0001',1,1,'Root','root',1,'','2f1c3b4a5d6e4f708192a3b4c5d6e7f8',1,NULL,NULL),
  (2,'00010001',2,0,'Welcome – hello','home',1,'','a1b2c3d4e5f64a7b8c9d0e1f2a3b4c5d',1,'2024-03-01 10:00:00',NULL),
  (3,'00010002',2,0,'Ünder','under',0,'seo','a1b2c3d4e5f64a7b8c9d0e1f2a3b4c5d',2,'2024-03-01 10:00:00.000100','2025-01-01 00:00:00');
INSERT INTO wagtailcore_revision VALUES (1,'2024-03-01 10:00:00.5','{"pk": 2, "title": "Welcome \u2013 hello", "body": "[]"}','2','Welcome – hello');
UPDATE wagtailcore_revision SET created_at = '2024-03-01 10:00:00.500000';
INSERT INTO wagtailimages_image VALUES (1,'Cat','original_images/cat.jpg',800,NULL,12345,'da39a3ee5e6b4b0d3255bfef95601890afd80709');
INSERT INTO shop_order VALUES ('0b16a3f04a5c4f3b9c53a1d9d1f0a2b3',99.9,'2024-02-29','23:59:59.999999',86400000000,'192.0.2.1',0.1,x'00ff'),
  ('0b16a3f04a5c4f3b9c53a1d9d1f0a2b4',100,'2024-03-01',NULL,0,NULL,1,x'');
INSERT INTO wagtailsearch_indexentry VALUES (1,'2',1.5,'welcome','hello world');
-- following
UPDATE wagtailcore_page SET title = 'Home', live = 0, "path" = '00010009' WHERE id = 3;
INSERT INTO wagtailcore_revision (created_at, content, object_id, object_str) VALUES ('2024-05-01 00:00:00', '{}', '3', 'Home');
DELETE FROM shop_order WHERE total = 100;
UPDATE shop_order SET total = 0.07, at = '00:00:00' WHERE day = '2024-02-29';
