-- app: Jellyfin (media)
-- orm: Entity Framework Core, C#
-- remark: EF Core keeps DateTime, Guid and bool as TEXT and INTEGER, with seven digits of a second
-- expect: ActivityLogs.DateCreated text
-- expect: BaseItems.Id text
-- expect: Users.Id text
-- expect: BaseItems.CommunityRating double precision
-- expect: Users.EnableAutoLogin bigint
-- expect: Preferences.RowVersion bigint
CREATE TABLE "__EFMigrationsHistory" ("MigrationId" TEXT NOT NULL CONSTRAINT "PK___EFMigrationsHistory" PRIMARY KEY, "ProductVersion" TEXT NOT NULL);
CREATE TABLE "Users" ("Id" TEXT NOT NULL CONSTRAINT "PK_Users" PRIMARY KEY, "AudioLanguagePreference" TEXT NULL, "EnableAutoLogin" INTEGER NOT NULL, "InternalId" INTEGER NOT NULL, "LastLoginDate" TEXT NULL, "Password" TEXT NULL, "RowVersion" INTEGER NOT NULL, "Username" TEXT COLLATE NOCASE NOT NULL);
CREATE UNIQUE INDEX "IX_Users_Username" ON "Users" ("Username");
CREATE TABLE "Preferences" ("Id" INTEGER NOT NULL CONSTRAINT "PK_Preferences" PRIMARY KEY AUTOINCREMENT, "Kind" INTEGER NOT NULL, "RowVersion" INTEGER NOT NULL, "UserId" TEXT NULL, "Value" TEXT NOT NULL, CONSTRAINT "FK_Preferences_Users_UserId" FOREIGN KEY ("UserId") REFERENCES "Users" ("Id") ON DELETE CASCADE);
CREATE UNIQUE INDEX "IX_Preferences_UserId_Kind" ON "Preferences" ("UserId", "Kind") WHERE "UserId" IS NOT NULL;
CREATE TABLE "ActivityLogs" ("Id" INTEGER NOT NULL CONSTRAINT "PK_ActivityLogs" PRIMARY KEY AUTOINCREMENT, "DateCreated" TEXT NOT NULL, "ItemId" TEXT NULL, "LogSeverity" INTEGER NOT NULL, "Name" TEXT NOT NULL, "Type" TEXT NOT NULL, "UserId" TEXT NOT NULL);
CREATE INDEX "IX_ActivityLogs_DateCreated" ON "ActivityLogs" ("DateCreated");
CREATE TABLE "BaseItems" ("Id" TEXT NOT NULL CONSTRAINT "PK_BaseItems" PRIMARY KEY, "Type" TEXT NOT NULL, "Data" TEXT NULL, "Path" TEXT NULL, "CommunityRating" REAL NULL, "IsLocked" INTEGER NOT NULL, "PremiereDate" TEXT NULL, "RunTimeTicks" INTEGER NULL, "Name" TEXT NULL);
CREATE INDEX "IX_BaseItems_Path" ON "BaseItems" ("Path");
CREATE TABLE "MediaStreamInfos" ("ItemId" TEXT NOT NULL, "StreamIndex" INTEGER NOT NULL, "Codec" TEXT NULL, "AverageFrameRate" REAL NULL, "IsHdr" INTEGER NULL, CONSTRAINT "PK_MediaStreamInfos" PRIMARY KEY ("ItemId", "StreamIndex"), CONSTRAINT "FK_MediaStreamInfos_BaseItems_ItemId" FOREIGN KEY ("ItemId") REFERENCES "BaseItems" ("Id") ON DELETE CASCADE);
CREATE TABLE "Chapters" ("ItemId" TEXT NOT NULL, "ChapterIndex" INTEGER NOT NULL, "StartPositionTicks" INTEGER NOT NULL, "ImagePath" TEXT NULL, CONSTRAINT "PK_Chapters" PRIMARY KEY ("ItemId", "ChapterIndex"));
INSERT INTO "__EFMigrationsHistory" VALUES ('20200514181226_AddActivityLog','9.0.4'),('20241020103111_LibraryDbMigration','9.0.4');
INSERT INTO "Users" VALUES ('9D3A3E1F-2C4B-4D5E-8F90-A1B2C3D4E5F6',NULL,0,1,'2024-03-01 10:00:00.1234567','$PBKDF2-SHA512$x',5,'root');
INSERT INTO "Preferences" VALUES (1,0,0,'9D3A3E1F-2C4B-4D5E-8F90-A1B2C3D4E5F6',''),(2,0,0,NULL,'x'),(3,0,0,NULL,'y');
INSERT INTO "ActivityLogs" VALUES (1,'2024-03-01 10:00:00.1234567',NULL,2,'root has logged in','SessionStarted','9D3A3E1F-2C4B-4D5E-8F90-A1B2C3D4E5F6'),(2,'0001-01-01 00:00:00','x',2,'…','T','');
INSERT INTO "BaseItems" VALUES ('00000000-0000-0000-0000-000000000001','PLACEHOLDER',NULL,NULL,NULL,0,NULL,NULL,'Placeholder'),('AB12CD34-0000-0000-0000-000000000002','Movie','{"x":1}','/media/Ä.mkv',8.1,0,'1972-03-14 00:00:00',105600000000,'Ä');
INSERT INTO "MediaStreamInfos" VALUES ('AB12CD34-0000-0000-0000-000000000002',0,'hevc',23.976,1),('AB12CD34-0000-0000-0000-000000000002',1,'aac',NULL,NULL);
INSERT INTO "Chapters" VALUES ('AB12CD34-0000-0000-0000-000000000002',0,0,NULL);
-- following
UPDATE "Users" SET "LastLoginDate" = '2024-03-02 10:00:00.7654321', "RowVersion" = 6, "Username" = 'ROOT' WHERE "Id" = '9D3A3E1F-2C4B-4D5E-8F90-A1B2C3D4E5F6' AND "RowVersion" = 5 RETURNING 1;
DELETE FROM "BaseItems" WHERE "Id" = '00000000-0000-0000-0000-000000000001';
INSERT INTO "ActivityLogs" ("DateCreated","LogSeverity","Name","Type","UserId") VALUES ('2024-03-03 00:00:00',2,'n','t','u');
INSERT INTO "Chapters" VALUES ('AB12CD34-0000-0000-0000-000000000002',1,3000000000,'/x.jpg');
