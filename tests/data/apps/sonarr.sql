-- app: Sonarr, Radarr (series)
-- orm: FluentMigrator and Dapper, C#
-- expect: Series.Monitored bigint
-- expect: Series.Added timestamp with time zone
-- expect: Episodes.AirDate text
-- expect: QualityDefinitions.MinSize numeric
-- expect: EpisodeFiles.Size bigint
CREATE TABLE "VersionInfo" ("Version" INTEGER NOT NULL, "AppliedOn" DATETIME, "Description" TEXT);
CREATE UNIQUE INDEX "UC_Version" ON "VersionInfo" ("Version" ASC);
CREATE TABLE "Config" ("Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "Key" TEXT NOT NULL, "Value" TEXT NOT NULL);
CREATE UNIQUE INDEX "IX_Config_Key" ON "Config" ("Key" ASC);
CREATE TABLE "Series" ("Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "TvdbId" INTEGER NOT NULL, "Title" TEXT NOT NULL, "CleanTitle" TEXT NOT NULL, "Status" INTEGER NOT NULL, "Images" TEXT NOT NULL, "Path" TEXT NOT NULL, "Monitored" INTEGER NOT NULL, "QualityProfileId" INTEGER NOT NULL, "Added" DATETIME, "Ratings" TEXT, "Tags" TEXT);
CREATE UNIQUE INDEX "IX_Series_TvdbId" ON "Series" ("TvdbId" ASC);
CREATE INDEX "IX_Series_CleanTitle" ON "Series" ("CleanTitle" ASC);
CREATE TABLE "Episodes" ("Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "SeriesId" INTEGER NOT NULL, "SeasonNumber" INTEGER NOT NULL, "EpisodeNumber" INTEGER NOT NULL, "Title" TEXT, "EpisodeFileId" INTEGER, "AirDate" TEXT, "Monitored" INTEGER, "AirDateUtc" DATETIME);
CREATE INDEX "IX_Episodes_SeriesId" ON "Episodes" ("SeriesId" ASC);
CREATE TABLE "EpisodeFiles" ("Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "SeriesId" INTEGER NOT NULL, "Quality" TEXT NOT NULL, "Size" BIGINT NOT NULL, "DateAdded" DATETIME NOT NULL, "MediaInfo" TEXT, "RelativePath" TEXT);
CREATE TABLE "QualityDefinitions" ("Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "Quality" INTEGER NOT NULL, "Title" TEXT NOT NULL, "MinSize" NUMERIC, "MaxSize" NUMERIC);
CREATE TABLE "ScheduledTasks" ("Id" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, "TypeName" TEXT NOT NULL, "Interval" NUMERIC NOT NULL, "LastExecution" DATETIME NOT NULL);
INSERT INTO VersionInfo VALUES (1,'2024-03-01T10:00:00','InitialSetup'),(2,'2024-03-01T10:00:01','remove_tvrage');
INSERT INTO Config VALUES (1,'rootfolder','/tv');
INSERT INTO Series VALUES (1,81189,'Bréaking','breaking',1,'[{"coverType":"banner"}]','/tv/B',1,1,'2024-03-01 10:00:00.1234567Z','{"votes":1,"value":9.5}','[]'),(2,121361,'Thrones','thrones',0,'[]','/tv/T',0,2,'2024-03-01 10:00:00Z',NULL,NULL);
UPDATE Series SET Added = '2024-03-01 10:00:00.123456Z' WHERE Id = 1;
INSERT INTO Episodes VALUES (1,1,1,1,'Pilot',1,'2008-01-20',1,'2008-01-21 02:00:00Z'),(2,1,0,1,NULL,0,NULL,0,NULL);
INSERT INTO EpisodeFiles VALUES (1,1,'{"quality":4,"revision":{"version":1}}',4294967297,'2024-03-01 10:00:00Z','{}','Season 1/x.mkv');
INSERT INTO QualityDefinitions VALUES (1,0,'Unknown',1.0,199.9),(2,1,'SDTV',2.5,NULL);
INSERT INTO ScheduledTasks VALUES (1,'NzbDrone.Core.RssSyncCommand',15,'0001-01-01 00:00:00Z');
-- following
UPDATE Episodes SET Monitored = 0, AirDateUtc = '2024-05-01 00:00:00Z' WHERE Id = 2;
DELETE FROM EpisodeFiles WHERE Id = 1;
INSERT INTO Series (TvdbId, Title, CleanTitle, Status, Images, Path, Monitored, QualityProfileId, Added) VALUES (5,'N','n',0,'[]','/tv/N',1,1,'2024-05-01 00:00:00.5Z');
UPDATE ScheduledTasks SET LastExecution = '2024-05-01 00:00:00.000001Z', Interval = 60;
