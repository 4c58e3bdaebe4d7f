-- app: n8n (workflow automation)
-- orm: TypeORM, TypeScript
-- expect: workflow_entity.createdAt timestamp without time zone
-- expect: workflow_entity.active boolean
-- expect: execution_entity.startedAt timestamp without time zone
-- expect: execution_entity.finished boolean
-- expect: insights_raw.timestamp timestamp without time zone
-- expect: workflow_entity.nodes text
CREATE TABLE "migrations" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "timestamp" bigint NOT NULL, "name" varchar NOT NULL);
CREATE TABLE "user" ("id" varchar PRIMARY KEY, "email" varchar(255), "firstName" varchar(32), "password" varchar, "createdAt" datetime(3) NOT NULL DEFAULT (STRFTIME('%Y-%m-%d %H:%M:%f', 'NOW')), "updatedAt" datetime(3) NOT NULL DEFAULT (STRFTIME('%Y-%m-%d %H:%M:%f', 'NOW')), "settings" text, "disabled" boolean NOT NULL DEFAULT (FALSE), "mfaEnabled" boolean DEFAULT (FALSE));
CREATE UNIQUE INDEX "UQ_e12875dfb3b1d92d7d7c5377e2" ON "user" ("email");
CREATE TABLE "workflow_entity" ("id" varchar(36) PRIMARY KEY NOT NULL, "name" varchar(128) NOT NULL, "active" boolean NOT NULL, "nodes" text, "connections" text NOT NULL, "createdAt" datetime(3) NOT NULL DEFAULT (STRFTIME('%Y-%m-%d %H:%M:%f', 'NOW')), "updatedAt" datetime(3) NOT NULL DEFAULT (STRFTIME('%Y-%m-%d %H:%M:%f', 'NOW')), "triggerCount" integer NOT NULL DEFAULT 0, "isArchived" boolean NOT NULL DEFAULT (0));
CREATE TABLE "execution_entity" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "workflowId" varchar(36) NOT NULL, "finished" boolean NOT NULL, "mode" varchar NOT NULL, "retryOf" varchar, "startedAt" datetime(3), "stoppedAt" datetime(3), "waitTill" datetime(3), "status" varchar NOT NULL, "deletedAt" datetime(3), "createdAt" datetime NOT NULL DEFAULT (STRFTIME('%Y-%m-%d %H:%M:%f', 'NOW')),
  CONSTRAINT "FK_x" FOREIGN KEY ("workflowId") REFERENCES "workflow_entity" ("id") ON DELETE CASCADE);
CREATE INDEX "IDX_execution_entity_deletedAt" ON "execution_entity" ("deletedAt");
CREATE INDEX "IDX_execution_entity_stoppedAt_status_deletedAt" ON "execution_entity" ("stoppedAt", "status", "deletedAt");
CREATE TABLE "execution_data" ("executionId" int PRIMARY KEY NOT NULL, "workflowData" text NOT NULL, "data" text NOT NULL, FOREIGN KEY("executionId") REFERENCES "execution_entity" ("id") ON DELETE CASCADE);
CREATE TABLE "tag_entity" ("id" varchar(36) PRIMARY KEY NOT NULL, "name" varchar(24) NOT NULL, "createdAt" datetime(3) NOT NULL DEFAULT (STRFTIME('%Y-%m-%d %H:%M:%f', 'NOW')));
CREATE UNIQUE INDEX "IDX_8f949d7a3a984759044054e89b" ON "tag_entity" ("name");
CREATE TABLE "workflows_tags" ("workflowId" varchar(36) NOT NULL, "tagId" varchar(36) NOT NULL, PRIMARY KEY ("workflowId", "tagId"));
CREATE TABLE "insights_raw" ("id" integer PRIMARY KEY AUTOINCREMENT NOT NULL, "metaId" integer NOT NULL, "value" bigint NOT NULL, "timestamp" datetime(0) NOT NULL DEFAULT (CURRENT_TIMESTAMP));
CREATE TABLE "settings" ("key" text NOT NULL PRIMARY KEY, "value" text NOT NULL DEFAULT '', "loadOnStartup" boolean NOT NULL DEFAULT (false));
INSERT INTO migrations VALUES (1,1588102412422,'InitialMigration1588102412422');
INSERT INTO user VALUES ('0e7e2b77-9f1f-4d3e-8f8b-5b2b3e1c0a11','ada@example.org','Ada','$2a$10$x','2024-03-01 10:00:00.123','2024-03-01 10:00:00.123','{"userActivated":true}',0,0),('1e7e2b77-9f1f-4d3e-8f8b-5b2b3e1c0a11',NULL,NULL,NULL,'2024-03-01 10:00:00.124','2024-03-01 10:00:00.124',NULL,1,NULL);
INSERT INTO workflow_entity VALUES ('Xq3bT1','My flow',1,'[{"parameters":{},"name":"Start","position":[240,300]}]','{}','2024-03-01 10:00:00.500','2024-03-02 10:00:00.000',1,0),('Xq3bT2','Über',0,NULL,'{}','2024-03-01 10:00:00.501','2024-03-02 10:00:00.001',0,1);
INSERT INTO execution_entity VALUES (1,'Xq3bT1',1,'trigger',NULL,'2024-03-01 11:00:00.001','2024-03-01 11:00:01.999',NULL,'success',NULL,'2024-03-01 11:00:00.000'),(2,'Xq3bT1',0,'manual','1','2024-03-01 11:05:00.000',NULL,'2025-01-01 00:00:00.000','waiting',NULL,'2024-03-01 11:05:00.000');
INSERT INTO execution_data VALUES (1,'{}','[{"startData":"1"},{}]'),(2,'{}','[]');
INSERT INTO tag_entity VALUES ('T1','prod','2024-03-01 10:00:00.000');
INSERT INTO workflows_tags VALUES ('Xq3bT1','T1');
INSERT INTO insights_raw VALUES (1,1,1999,'2024-03-01 11:00:01');
INSERT INTO settings VALUES ('ui.banners.dismissed','["V1"]',1);
-- following
UPDATE "execution_entity" SET "status" = 'success', "finished" = 1, "stoppedAt" = '2024-05-01 00:00:00.999', "waitTill" = NULL WHERE "id" = 2;
INSERT INTO "execution_entity"("workflowId", "finished", "mode", "startedAt", "status", "createdAt") VALUES ('Xq3bT1', 0, 'webhook', NULL, 'new', '2024-05-01 00:00:00.001');
DELETE FROM "execution_data" WHERE "executionId" IN (1);
INSERT INTO "settings"("key", "value") VALUES ('ui.banners.dismissed', '[]') ON CONFLICT ("key") DO UPDATE SET "value" = EXCLUDED."value";
