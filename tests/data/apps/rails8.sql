-- app: a Rails 8 application (solid_queue, solid_cache, active_storage)
-- orm: ActiveRecord, Ruby
-- expect: solid_queue_jobs.scheduled_at timestamp without time zone
-- expect: solid_cache_entries.key bytea
-- expect: solid_cache_entries.key_hash bigint
-- expect: products.price numeric
-- expect: products.settings json
-- expect: products.available_on date
-- expect: products.active boolean
CREATE TABLE "schema_migrations" ("version" varchar NOT NULL PRIMARY KEY);
CREATE TABLE "ar_internal_metadata" ("key" varchar NOT NULL PRIMARY KEY, "value" varchar, "created_at" datetime(6) NOT NULL, "updated_at" datetime(6) NOT NULL);
CREATE TABLE "active_storage_blobs" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "key" varchar NOT NULL, "filename" varchar NOT NULL, "content_type" varchar,
  "metadata" text, "service_name" varchar NOT NULL, "byte_size" bigint NOT NULL, "checksum" varchar, "created_at" datetime(6) NOT NULL);
CREATE UNIQUE INDEX "index_active_storage_blobs_on_key" ON "active_storage_blobs" ("key");
CREATE TABLE "active_storage_attachments" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "name" varchar NOT NULL, "record_type" varchar NOT NULL, "record_id" bigint NOT NULL,
  "blob_id" bigint NOT NULL, "created_at" datetime(6) NOT NULL, CONSTRAINT "fk_rails_c3b3935057" FOREIGN KEY ("blob_id") REFERENCES "active_storage_blobs" ("id"));
CREATE INDEX "index_active_storage_attachments_on_blob_id" ON "active_storage_attachments" ("blob_id");
CREATE UNIQUE INDEX "index_active_storage_attachments_uniqueness" ON "active_storage_attachments" ("record_type", "record_id", "name", "blob_id");
CREATE TABLE "solid_queue_jobs" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "queue_name" varchar NOT NULL, "class_name" varchar NOT NULL, "arguments" text,
  "priority" integer DEFAULT 0 NOT NULL, "active_job_id" varchar, "scheduled_at" datetime(6), "finished_at" datetime(6), "created_at" datetime(6) NOT NULL);
CREATE INDEX "index_solid_queue_jobs_for_filtering" ON "solid_queue_jobs" ("queue_name", "finished_at");
CREATE TABLE "solid_queue_ready_executions" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "job_id" bigint NOT NULL, "queue_name" varchar NOT NULL,
  "priority" integer DEFAULT 0 NOT NULL, "created_at" datetime(6) NOT NULL, CONSTRAINT "fk_rails_81fcbd66af" FOREIGN KEY ("job_id") REFERENCES "solid_queue_jobs" ("id") ON DELETE CASCADE);
CREATE UNIQUE INDEX "index_solid_queue_ready_executions_on_job_id" ON "solid_queue_ready_executions" ("job_id");
CREATE TABLE "solid_cache_entries" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "key" blob(1024) NOT NULL, "value" blob(536870912) NOT NULL,
  "created_at" datetime(6) NOT NULL, "key_hash" integer(8) NOT NULL, "byte_size" integer(4) NOT NULL);
CREATE UNIQUE INDEX "index_solid_cache_entries_on_key_hash" ON "solid_cache_entries" ("key_hash");
CREATE TABLE "products" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "name" varchar NOT NULL, "price" decimal(10,2) DEFAULT 0.0 NOT NULL, "weight" float,
  "settings" json DEFAULT '{}', "active" boolean DEFAULT 1 NOT NULL, "available_on" date, "opens" time(6), "inventory_count" integer, "created_at" datetime(6) NOT NULL, "updated_at" datetime(6) NOT NULL,
  CONSTRAINT chk_price CHECK (price >= 0));
CREATE INDEX "index_products_on_active" ON "products" ("active") WHERE active = 1;
INSERT INTO schema_migrations VALUES ('20240301100000'),('20240302100000');
INSERT INTO ar_internal_metadata VALUES ('environment','production','2024-03-01 10:00:00.000000','2024-03-01 10:00:00.000000');
INSERT INTO active_storage_blobs VALUES (1,'xtapjjcjiudrlk3tmwyj','photo.jpg','image/jpeg','{"identified":true}','local',12345,'Q2hlY2s=','2024-03-01 10:00:00.123456');
INSERT INTO active_storage_attachments VALUES (1,'photo','Product',1,1,'2024-03-01 10:00:01.000000');
INSERT INTO solid_queue_jobs VALUES (1,'default','MailJob','{"job_class":"MailJob","arguments":["ü"]}',0,'9b2c','2024-03-01 10:00:00.500000',NULL,'2024-03-01 10:00:00.500000'),
  (2,'low','ReportJob','{}',-5,'9b2d',NULL,'2024-03-01 10:05:00.000001','2024-03-01 10:00:00.500000');
INSERT INTO solid_queue_ready_executions VALUES (1,1,'default',0,'2024-03-01 10:00:00.500000');
INSERT INTO solid_cache_entries VALUES (1,CAST('views/products/1' AS BLOB),x'00116e7800','2024-03-01 10:00:00.500000',-6916837485019839245,1024),(2,x'00',x'','2024-03-01 10:00:00.500000',9223372036854775807,0);
INSERT INTO products VALUES (1,'Bolt',12.5,0.125,'{"colors":["red"],"n":1.10}',1,'2024-03-01','2000-01-01 09:30:00.000000',10,'2024-03-01 10:00:00.123456','2024-03-01 10:00:00.123456'),
  (2,'Nut',3,NULL,'{}',0,NULL,NULL,NULL,'2024-03-01 10:00:00.000000','2024-03-01 10:00:00.000000'),(3,'Washer',0.05,1e-3,NULL,1,'2024-02-29',NULL,-1,'2024-03-01 10:00:00.000001','2024-03-01 10:00:00.000001');
-- following
DELETE FROM solid_queue_jobs WHERE id = 1;
DELETE FROM solid_queue_ready_executions WHERE job_id = 1;
UPDATE products SET price = 19.99, settings = '{"a":[1,2,{"b":null}]}', updated_at = '2024-05-01 00:00:00.000001' WHERE id = 2;
INSERT INTO solid_cache_entries (key, value, created_at, key_hash, byte_size) VALUES (x'ff', x'ff00ff', '2024-05-01 00:00:00.000000', 5, 3) ON CONFLICT (key_hash) DO UPDATE SET value = excluded.value;
INSERT INTO products (name, created_at, updated_at) VALUES ('Default', '2024-05-01 00:00:00.000000', '2024-05-01 00:00:00.000000');
