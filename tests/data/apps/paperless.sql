-- app: Paperless-ngx (documents)
-- orm: Django, Python
-- expect: documents_document.created timestamp without time zone
-- expect: documents_document.archive_serial_number bigint
-- expect: documents_savedview.show_on_dashboard boolean
-- expect: documents_customfieldinstance.value_date date
-- expect: documents_customfieldinstance.value_float double precision
-- expect: documents_customfieldinstance.value_document_ids json
-- expect: django_celery_results_taskresult.date_done timestamp without time zone
CREATE TABLE "django_migrations" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "app" varchar(255) NOT NULL, "name" varchar(255) NOT NULL, "applied" datetime NOT NULL);
CREATE TABLE "documents_correspondent" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(128) NOT NULL, "match" varchar(256) NOT NULL, "matching_algorithm" integer unsigned NOT NULL CHECK ("matching_algorithm" >= 0), "is_insensitive" bool NOT NULL, "owner_id" integer NULL);
CREATE UNIQUE INDEX "documents_correspondent_unique_name_owner" ON "documents_correspondent" ("name", "owner_id");
CREATE UNIQUE INDEX "documents_correspondent_name_uniq" ON "documents_correspondent" ("name") WHERE "owner_id" IS NULL;
CREATE TABLE "documents_document" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "title" varchar(128) NOT NULL, "content" text NOT NULL, "created" datetime NOT NULL, "modified" datetime NOT NULL, "checksum" varchar(32) NOT NULL UNIQUE, "added" datetime NOT NULL, "storage_type" varchar(11) NOT NULL,
  "filename" varchar(1024) NULL UNIQUE, "archive_serial_number" integer unsigned NULL UNIQUE CHECK ("archive_serial_number" >= 0), "mime_type" varchar(256) NOT NULL, "correspondent_id" integer NULL REFERENCES "documents_correspondent" ("id") DEFERRABLE INITIALLY DEFERRED, "deleted_at" datetime NULL,
  "page_count" integer unsigned NULL CHECK ("page_count" >= 0));
CREATE INDEX "documents_document_created_bedd0818" ON "documents_document" ("created");
CREATE TABLE "documents_tag" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(128) NOT NULL, "color" varchar(7) NOT NULL, "is_inbox_tag" bool NOT NULL);
CREATE TABLE "documents_document_tags" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "document_id" integer NOT NULL REFERENCES "documents_document" ("id") DEFERRABLE INITIALLY DEFERRED, "tag_id" integer NOT NULL REFERENCES "documents_tag" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE UNIQUE INDEX "documents_document_tags_document_id_tag_id_uniq" ON "documents_document_tags" ("document_id", "tag_id");
CREATE TABLE "documents_savedview" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(128) NOT NULL, "show_on_dashboard" bool NOT NULL, "page_size" integer unsigned NULL CHECK ("page_size" >= 0), "display_fields" text NULL CHECK ((JSON_VALID("display_fields") OR "display_fields" IS NULL)));
CREATE TABLE "documents_customfieldinstance" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "created" datetime NOT NULL, "value_text" varchar(128) NULL, "value_bool" bool NULL, "value_date" date NULL, "value_float" real NULL, "value_monetary" varchar(128) NULL,
  "value_document_ids" text NULL CHECK ((JSON_VALID("value_document_ids") OR "value_document_ids" IS NULL)), "value_monetary_amount" decimal GENERATED ALWAYS AS (CAST(substr("value_monetary", 4) AS NUMERIC)) STORED);
CREATE TABLE "django_celery_results_taskresult" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "task_id" varchar(255) NOT NULL UNIQUE, "status" varchar(50) NOT NULL, "result" text NULL, "date_done" datetime NOT NULL, "traceback" text NULL);
INSERT INTO django_migrations VALUES (1,'documents','0001_initial','2024-03-01 10:00:00.123456'),(2,'documents','1052','2024-03-01 10:00:00');
INSERT INTO documents_correspondent VALUES (1,'Bank','',6,1,NULL),(2,'Bank','',6,1,3),(3,'Bank','bank',1,0,4);
INSERT INTO documents_document VALUES (1,'Rechnung Nr. 5','Sehr geehrte' || char(12) || 'Damen','2024-02-29 00:00:00','2024-03-01 10:00:00.123456','d41d8cd98f00b204e9800998ecf8427e','2024-03-01 10:00:00.123456','unencrypted','0000001.pdf',NULL,'application/pdf',1,NULL,3),
  (2,'','','1970-01-01 00:00:00','2024-03-01 10:00:00','0cc175b9c0f1b6a831c399e269772661','2024-03-01 10:00:00','unencrypted',NULL,42,'image/png',NULL,'2024-03-05 00:00:00.000001',NULL);
INSERT INTO documents_tag VALUES (1,'Inbox','#a6cee3',1),(2,'Steuer','#1f78b4',0);
INSERT INTO documents_document_tags VALUES (1,1,1),(2,1,2),(3,2,2);
INSERT INTO documents_savedview VALUES (1,'Inbox',1,NULL,NULL),(2,'X',0,25,'["title", "created"]');
INSERT INTO documents_customfieldinstance (id, created, value_text, value_bool, value_date, value_float, value_monetary, value_document_ids) VALUES (1,'2024-03-01 10:00:00','x',NULL,'2024-02-29',NULL,NULL,NULL),(2,'2024-03-01 10:00:00.5',NULL,1,NULL,0.1,'EUR12.5','[1, 2]');
UPDATE documents_customfieldinstance SET created = '2024-03-01 10:00:00.500000' WHERE id = 2;
INSERT INTO django_celery_results_taskresult VALUES (1,'6ba7b810-9dad-41d1-80b4-00c04fd430c8','SUCCESS','"Success. New document id 1 created"','2024-03-01 10:00:09.999999',NULL);
-- following
UPDATE documents_document SET archive_serial_number = 43, modified = '2024-06-01 00:00:00.654321' WHERE id = 1;
DELETE FROM documents_document_tags WHERE document_id = 1 AND tag_id IN (1);
INSERT INTO documents_correspondent (name, match, matching_algorithm, is_insensitive, owner_id) VALUES ('Versicherung','',1,1,NULL);
UPDATE documents_customfieldinstance SET value_monetary = 'EUR99.95' WHERE id = 2;
